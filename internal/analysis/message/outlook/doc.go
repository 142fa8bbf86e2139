// Package outlook reads the two forms in which Outlook and Exchange give a
// message away: the .msg file ([MS-OXMSG]) and TNEF, known as winmail.dat
// ([MS-OXTNEF]). Both hold MAPI properties ([MS-OXPROPS]); an Item is what they
// say, whichever form they came in.
//
// Nothing is trusted: what is broken is left out and noted in Item.Faults, and
// Limits bound what is read, for an item and all inside it together.
package outlook
