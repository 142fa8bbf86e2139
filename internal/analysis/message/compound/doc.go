// Package compound reads the Compound File Binary format ([MS-CFB]), the file
// system inside a file that Outlook's .msg and the older Office documents are.
//
// It reads from memory and copies only what is scattered. What is broken costs
// what is behind it and no more: a file that a gateway cut off still gives its
// beginning. A hostile file gives no more bytes than it has: sectors that
// several streams share, and chains that bite their own tail, end at a budget
// of the file's size.
package compound
