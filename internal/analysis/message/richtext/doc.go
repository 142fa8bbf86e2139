// Package richtext gets out of Outlook's rich text what a person reads: it
// undoes the compression ([MS-OXRTFCP]), gives back the HTML or the plain text
// that Outlook wrapped in RTF ([MS-OXRTFEX]), and of RTF that was written as
// such the text with the targets of its links.
//
// Every function takes any bytes and stops at a limit of what it puts out. It
// takes time linear in its input and that limit.
package richtext
