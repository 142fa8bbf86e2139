package locale

import (
	"strconv"
	"strings"
	"time"
)

// Date writes the day of t in its own location: "21 november 2026",
// "1er novembre 2026", "21. November 2026", "21 November 2026".
func (c *Catalogue) Date(lang string, t time.Time) string {
	day := strconv.Itoa(t.Day())
	key := "locale.date"
	if t.Day() == 1 {
		key = "locale.date_first"
	}
	return c.Text(lang, key, map[string]string{
		"Day":   day,
		"Month": c.Text(lang, "locale.month."+strconv.Itoa(int(t.Month())), nil),
		"Year":  strconv.Itoa(t.Year()),
	})
}

// Clock writes the time of day of t in its own location, to the minute:
// "14.05 uur", "14 h 05", "14.05 Uhr", "14:05".
func (c *Catalogue) Clock(lang string, t time.Time) string {
	return c.Text(lang, "locale.clock", map[string]string{"Hour": t.Format("15"), "Minute": t.Format("04")})
}

// DateTime writes day and time of t in its own location: "21 november 2026 om
// 14.05 uur".
func (c *Catalogue) DateTime(lang string, t time.Time) string {
	return c.Text(lang, "locale.date_time", map[string]string{"Date": c.Date(lang, t), "Clock": c.Clock(lang, t)})
}

// Short writes day and time for tables: "21/11/2026 14:05", with the dots or
// dashes of the language.
func (c *Catalogue) Short(lang string, t time.Time) string {
	return c.Text(lang, "locale.short", map[string]string{
		"Day": t.Format("02"), "Month": t.Format("01"), "Year": t.Format("2006"), "Clock": t.Format("15:04"),
	})
}

// Number writes n with the language's separator of thousands, from four digits
// on, so that figures line up in tables.
func (c *Catalogue) Number(lang string, n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "−", digits[1:]
	}
	if len(digits) <= 3 {
		return sign + digits
	}
	separator := c.Text(lang, "locale.thousands", nil)
	var b strings.Builder
	b.WriteString(sign)
	head := len(digits) % 3
	b.WriteString(digits[:head])
	for i := head; i < len(digits); i += 3 {
		if b.Len() > len(sign) {
			b.WriteString(separator)
		}
		b.WriteString(digits[i : i+3])
	}
	return b.String()
}

// Decimal writes x with that many digits after the language's decimal sign.
func (c *Catalogue) Decimal(lang string, x float64, digits int) string {
	whole, fraction, found := strings.Cut(strconv.FormatFloat(x, 'f', max(digits, 0), 64), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil { // too large, infinite or not a number
		return whole
	}
	s := c.Number(lang, n)
	if n == 0 && strings.HasPrefix(whole, "-") {
		s = "−" + s
	}
	if found {
		s += c.Text(lang, "locale.decimal", nil) + fraction
	}
	return s
}

// Size writes a number of bytes in decimal units (SI): "512 B", "1,4 MB".
func (c *Catalogue) Size(lang string, bytes int64) string {
	const space = "\u00a0"
	x := float64(bytes)
	for i, unit := range []string{"byte", "kilobyte", "megabyte", "gigabyte", "terabyte"} {
		if x >= 999.5 && i < 4 {
			x /= 1000
			continue
		}
		digits := 0
		if i > 0 && x < 9.95 {
			digits = 1
		}
		return c.Decimal(lang, x, digits) + space + c.Text(lang, "locale.unit."+unit, nil)
	}
	return ""
}

// Ago writes how long before now t was, in its largest unit: "3 minuten
// geleden". What lies ahead or under a minute back reads as "just now"; over
// thirty days it is the date.
func (c *Catalogue) Ago(lang string, t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return c.Text(lang, "locale.just_now", nil)
	case d < time.Hour:
		return c.Plural(lang, "locale.minutes_ago", int(d/time.Minute), nil)
	case d < 24*time.Hour:
		return c.Plural(lang, "locale.hours_ago", int(d/time.Hour), nil)
	case d <= 30*24*time.Hour:
		return c.Plural(lang, "locale.days_ago", int(d/(24*time.Hour)), nil)
	}
	return c.Date(lang, t)
}
