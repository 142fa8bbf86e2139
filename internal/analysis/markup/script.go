package markup

import "strings"

// markers are the words in a script that unpack a file inside the mail, hide
// what they do, or send the reader away.
var markers = [...]string{
	"atob",                // unpacks base64
	"Blob",                // makes a file
	"createObjectURL",     // gives it an address
	"msSaveOrOpenBlob",    // saves it, in old Microsoft browsers
	"msSaveBlob",          // likewise
	"Uint8Array",          // its bytes
	"fromCharCode",        // letters from numbers
	"charCodeAt",          // numbers from letters, as simple ciphers need
	"unescape",            // letters from %XX
	"decodeURIComponent",  // likewise
	"eval",                // runs text
	"Function(",           // likewise
	"document.write",      // makes the page while it is read
	"innerHTML",           // likewise
	"insertAdjacentHTML",  // likewise
	"XMLHttpRequest",      // sends what was typed
	"fetch(",              // likewise
	"sendBeacon",          // likewise
	"$.ajax",              // likewise
	"$.post",              // likewise
	"ActiveXObject",       // runs programs
	"WScript",             // likewise
	"importScripts",       // loads more
	"serviceWorker",       // stays
	"window.open",         // opens a window
	"navigator.webdriver", // looks whether a robot reads it
	"debugger",            // disturbs who reads it
	"location.hash",       // takes the victim's address from the link
}

// script notes the markers and targets of one script or event attribute.
func (r *reader) script(element, code string) {
	for i, word := range &markers {
		if r.marked[i] || !strings.Contains(code, word) {
			continue
		}
		r.marked[i] = true
	}
	eachLocation(code, func(url string) { r.link(element, "location", url) })
	if element == "script" {
		eachAddress(code, func(url string) { r.link(element, "text", url) })
	}
}

// mostInScript is how many targets are taken out of one script: a script that
// has more is a library.
const mostInScript = 50

// eachAddress calls link with every string in a script that is an absolute
// web address; JSON-LD, by which a mail puts buttons into the list of mails,
// among them.
func eachAddress(code string, link func(url string)) {
	for range mostInScript {
		i := strings.Index(code, "http")
		if i < 0 {
			return
		}
		quote := byte(0)
		if i > 0 {
			quote = code[i-1]
		}
		code = code[i:]
		if quote != '"' && quote != '\'' && quote != '`' || !strings.HasPrefix(code, "https:") && !strings.HasPrefix(code, "http:") {
			code = code[len("http"):]
			continue
		}
		end := strings.IndexByte(code[:min(len(code), 4096)], quote)
		if end < 0 {
			code = code[len("http"):]
			continue
		}
		link(strings.ReplaceAll(code[:end], `\/`, "/"))
		code = code[end:]
	}
}

// eachLocation calls link with every literal that a script sends the reader
// to: location = "...", location.href = '...', location.replace("..."),
// window.open("...").
func eachLocation(code string, link func(url string)) {
	for range mostInScript {
		i := strings.Index(code, "location")
		if open := strings.Index(code[:max(i, 0)], "window.open"); i < 0 || open >= 0 {
			if i < 0 {
				open = strings.Index(code, "window.open")
			}
			if open < 0 {
				return
			}
			code = code[open+len("window.open"):]
		} else {
			code = code[i+len("location"):]
			for _, suffix := range [...]string{".href", ".replace", ".assign"} {
				code = strings.TrimPrefix(code, suffix)
			}
		}
		rest := strings.TrimLeft(code[:min(len(code), 64)], " \t\r\n=(")
		if rest == "" || rest[0] != '"' && rest[0] != '\'' && rest[0] != '`' {
			continue
		}
		from := strings.IndexByte(code, rest[0]) + 1
		const longest = 4096
		end := strings.IndexByte(code[from:min(len(code), from+longest)], rest[0])
		if end > 0 {
			link(code[from : from+end])
		}
	}
}
