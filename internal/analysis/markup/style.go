package markup

import (
	"strconv"
	"strings"
)

// look is how an element shows its text: what matters of the computed style
// for being seen. The zero value is an element with nothing said about it.
type look struct {
	gone       Why  // by something that no descendant can undo
	invisible  bool // visibility:hidden, which a descendant can undo
	tiny       bool // font size of at most a pixel, which a descendant can undo
	colour     rgb  // of the letters
	background rgb
}

// why says how text of this look is hidden, or "".
func (l *look) why() Why {
	switch {
	case l.gone != "":
		return l.gone
	case l.invisible:
		return WhyVisibility
	case l.tiny:
		return WhySize
	case l.colour == transparent, l.colour.near(l.background):
		return WhyColour
	}
	return ""
}

// rgb is a colour: 0 when not known, else 0x01rrggbb; or transparent.
type rgb uint32

const transparent rgb = 0xFF000000

func newRGB(r, g, b uint32) rgb { return rgb(1<<24 | r<<16 | g<<8 | b) }

// near reports whether two known colours cannot be told apart by eye.
func (c rgb) near(d rgb) bool {
	if c == 0 || d == 0 || c == transparent || d == transparent {
		return false
	}
	for shift := 0; shift <= 16; shift += 8 {
		x, y := int(c>>shift&0xFF), int(d>>shift&0xFF)
		if x-y > 4 || y-x > 4 {
			return false
		}
	}
	return true
}

// apply changes a look by an inline style (CSS Style Attributes). Of a
// property set twice the last counts. It calls link for every url(...).
func (l *look) apply(style string, link func(url string)) {
	var (
		clipped, positioned bool
		narrow              bool // no width or height to be seen in
		away                bool // moved off the page
	)
	for style != "" {
		var declaration string
		declaration, style = cutDeclaration(style)
		property, value, found := strings.Cut(declaration, ":")
		if !found {
			continue
		}
		property = strings.ToLower(strings.TrimSpace(property))
		value = strings.TrimSpace(value)
		if link != nil && strings.IndexByte(value, '(') >= 0 {
			eachURL(value, link)
		}
		const longest = 200
		if len(value) > longest {
			value = value[:longest]
		}
		value = strings.TrimSpace(strings.TrimSuffix(strings.ToLower(value), "!important"))
		switch property {
		case "display":
			if value == "none" {
				l.gone = WhyDisplay
			}
		case "visibility":
			l.invisible = value == "hidden" || value == "collapse"
		case "opacity":
			if n, _, ok := number(value); ok && n < 0.05 {
				l.gone = WhyOpacity
			}
		case "font-size":
			if px, ok := pixels(value); ok {
				l.tiny = px < 1.4 // a point or less
			}
		case "font":
			for _, word := range strings.Fields(value) {
				size, _, _ := strings.Cut(word, "/")
				if px, ok := pixels(size); ok && size[0] >= '0' && size[0] <= '9' && strings.TrimRight(size, "0123456789.") != "" {
					l.tiny = px < 1.4
					break
				}
			}
		case "color":
			if c := colour(value); c != 0 {
				l.colour = c
			}
		case "background-color", "background":
			l.setBackground(value)
		case "overflow", "overflow-x", "overflow-y":
			clipped = value == "hidden" || value == "clip"
		case "max-height", "max-width", "height", "width":
			if px, ok := pixels(value); ok && px <= 1 {
				narrow = true
			}
		case "position":
			positioned = value == "absolute" || value == "fixed" || value == "relative"
		case "left", "top":
			if px, ok := pixels(value); ok && px <= -500 {
				away = true
			}
		case "text-indent", "margin-left", "margin-top":
			if px, ok := pixels(value); ok && px <= -500 {
				l.gone = WhyOffscreen
			}
		case "clip":
			if strings.HasPrefix(value, "rect(0") || strings.HasPrefix(value, "rect(1px") {
				l.gone = WhyClipped
			}
		}
	}
	switch {
	case l.gone != "":
	case clipped && narrow:
		l.gone = WhyClipped
	case away && positioned:
		l.gone = WhyOffscreen
	}
}

// setBackground takes the colour out of a background property. A picture makes
// the colour unknown.
func (l *look) setBackground(value string) {
	if strings.Contains(value, "url(") || strings.Contains(value, "gradient(") {
		l.background = 0
		return
	}
	if c := colour(value); c != 0 {
		if c != transparent { // through which the one behind is seen
			l.background = c
		}
		return
	}
	for _, word := range strings.Fields(value) {
		if c := colour(word); c != 0 && c != transparent {
			l.background = c
			return
		}
	}
}

// cutDeclaration cuts at the first semicolon outside parentheses and quotes.
func cutDeclaration(s string) (declaration, rest string) {
	end := strings.IndexByte(s, ';')
	if end < 0 {
		return s, ""
	}
	if strings.IndexByte(s[:end], '(') < 0 {
		return s[:end], s[end+1:]
	}
	depth, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ';' && depth <= 0:
			return s[:i], s[i+1:]
		}
	}
	return s[:end], s[end+1:]
}

// eachURL calls link for the target of every url(...) in a style.
func eachURL(s string, link func(url string)) {
	for {
		i := strings.Index(s, "url(")
		if i < 0 {
			if i = strings.Index(s, "URL("); i < 0 {
				return
			}
		}
		s = s[i+len("url("):]
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return
		}
		link(strings.Trim(s[:end], " \t\r\n\"'"))
		s = s[end+1:]
	}
}

// number reads the number at the beginning of a CSS value and returns the
// unit after it.
func number(s string) (n float64, unit string, ok bool) {
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && (s[end] == '-' || s[end] == '+')) {
		end++
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	return n, strings.TrimSpace(s[end:]), err == nil
}

// pixels reads a length in CSS pixels, roughly where it is relative.
func pixels(s string) (px float64, ok bool) {
	n, unit, ok := number(s)
	if !ok {
		return 0, false
	}
	switch unit {
	case "", "px":
		return n, true
	case "pt":
		return n * 4 / 3, true
	case "em", "rem", "ex", "ch":
		return n * 16, true
	case "vw", "vh":
		return n * 10, true
	case "%":
		if n == 0 {
			return 0, true
		}
		if n < 0 { // beyond the edge of what is around
			return n * 4, true
		}
		return 100, true
	case "in", "cm", "mm", "pc":
		return n * 38, true
	}
	return 0, false
}

// colour reads a CSS colour (CSS Color section 4 and 5), or returns 0.
func colour(s string) rgb {
	if s == "" || len(s) > 60 {
		return 0
	}
	if s[0] == '#' {
		return hexColour(s[1:])
	}
	if args, found := strings.CutPrefix(s, "rgb"); found {
		args = strings.Trim(strings.TrimPrefix(args, "a"), "() ")
		parts := strings.FieldsFunc(args, func(r rune) bool { return r == ',' || r == ' ' || r == '/' })
		if len(parts) < 3 {
			return 0
		}
		var c [3]uint32
		for i := range c {
			n, unit, ok := number(parts[i])
			if !ok || n < 0 {
				return 0
			}
			if unit == "%" {
				n *= 2.55
			}
			c[i] = uint32(min(n, 255))
		}
		if len(parts) > 3 {
			if alpha, unit, ok := number(parts[3]); ok && (alpha < 0.05 || unit == "%" && alpha < 5) {
				return transparent
			}
		}
		return newRGB(c[0], c[1], c[2])
	}
	switch s {
	case "transparent":
		return transparent
	case "white":
		return newRGB(255, 255, 255)
	case "black":
		return newRGB(0, 0, 0)
	case "snow":
		return newRGB(255, 250, 250)
	case "ivory":
		return newRGB(255, 255, 240)
	case "whitesmoke":
		return newRGB(245, 245, 245)
	case "ghostwhite":
		return newRGB(248, 248, 255)
	case "gray", "grey":
		return newRGB(128, 128, 128)
	case "silver":
		return newRGB(192, 192, 192)
	case "lightgray", "lightgrey":
		return newRGB(211, 211, 211)
	case "red":
		return newRGB(255, 0, 0)
	case "green":
		return newRGB(0, 128, 0)
	case "blue":
		return newRGB(0, 0, 255)
	case "yellow":
		return newRGB(255, 255, 0)
	case "orange":
		return newRGB(255, 165, 0)
	case "navy":
		return newRGB(0, 0, 128)
	}
	return 0
}

// hexColour reads rgb, rgba, rrggbb or rrggbbaa.
func hexColour(s string) rgb {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return 0
	}
	v := uint32(n)
	switch len(s) {
	case 3, 4:
		if len(s) == 4 {
			if v&0xF == 0 {
				return transparent
			}
			v >>= 4
		}
		return newRGB(v>>8&0xF*17, v>>4&0xF*17, v&0xF*17)
	case 6:
		return newRGB(v>>16&0xFF, v>>8&0xFF, v&0xFF)
	case 8:
		if v&0xFF < 0x0C {
			return transparent
		}
		return newRGB(v>>24, v>>16&0xFF, v>>8&0xFF)
	}
	return 0
}
