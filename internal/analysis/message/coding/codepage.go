package coding

import "strconv"

// CodePage returns the name by which Charset knows a Windows code page, or ""
// for one that it does not know.
func CodePage(number int) string {
	switch {
	case number >= 1250 && number <= 1258:
		return "windows-" + strconv.Itoa(number)
	case number >= 28591 && number <= 28606:
		return "iso-8859-" + strconv.Itoa(number-28590)
	}
	return codePages[number]
}

var codePages = map[int]string{
	437: "ibm437", 850: "ibm850", 852: "ibm852", 855: "ibm855", 858: "ibm00858", 860: "ibm860", 862: "ibm862", 863: "ibm863", 865: "ibm865", 866: "ibm866",
	874: "windows-874", 932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 1200: "utf-16le", 1201: "utf-16be", 10000: "macintosh", 10007: "x-mac-cyrillic",
	20127: "us-ascii", 20866: "koi8-r", 20932: "euc-jp", 20949: "euc-kr", 21866: "koi8-u", 38598: "iso-8859-8",
	50220: "iso-2022-jp", 50221: "iso-2022-jp", 50222: "iso-2022-jp", 50225: "iso-2022-kr", 51932: "euc-jp", 51936: "gbk", 51949: "euc-kr",
	52936: "hz-gb-2312", 54936: "gb18030", 65000: "utf-7", 65001: "utf-8",
}
