package outlook

import (
	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// eightBit returns the charset of an item's 8-bit strings: that of
// PidTagMessageCodepage, else of the language that the item was written in, else
// of the code page it travels in; "" where nothing says it.
func (p *properties) eightBit() string {
	if name := coding.CodePage(p.number(pidMessageCodepage)); name != "" {
		return name
	}
	if name := localeCharset(p.number(pidLocale)); name != "" {
		return name
	}
	return coding.CodePage(p.number(pidInternetCodepage))
}

// localeCharset returns the ANSI code page of a Windows language ([MS-LCID]),
// or "" for none.
func localeCharset(lcid int) string {
	if lcid <= 0 {
		return ""
	}
	switch lcid & 0x3FF { // the language without its country
	case 0x04:
		switch lcid {
		case 0x0804, 0x1004, 0x04:
			return "gbk"
		}
		return "big5"
	case 0x11:
		return "shift_jis"
	case 0x12:
		return "euc-kr"
	case 0x05, 0x0E, 0x15, 0x18, 0x1B, 0x1C, 0x24:
		return "windows-1250"
	case 0x1A:
		if lcid == 0x0C1A || lcid == 0x1C1A || lcid == 0x281A || lcid == 0x301A {
			return "windows-1251"
		}
		return "windows-1250"
	case 0x02, 0x19, 0x22, 0x23, 0x2F, 0x3F, 0x40, 0x44, 0x50:
		return "windows-1251"
	case 0x08:
		return "windows-1253"
	case 0x1F, 0x2C, 0x43:
		return "windows-1254"
	case 0x0D:
		return "windows-1255"
	case 0x01, 0x20, 0x29:
		return "windows-1256"
	case 0x25, 0x26, 0x27:
		return "windows-1257"
	case 0x2A:
		return "windows-1258"
	case 0x1E:
		return "windows-874"
	}
	return "windows-1252"
}
