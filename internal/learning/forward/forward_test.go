package forward_test

import (
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/learning/forward"
)

const mail = "From: Parcel Office <office@parcel.example.org>\r\nReply-To: other@example.net\r\nTo: reader@example.net\r\nSubject: Your parcel\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Your parcel waits.</p><p><a href=\"https://pay.example.org/fee\">Pay the fee</a></p></body></html>\r\n"

// TestFound: what is rendered in any manner and language is found again.
func TestFound(t *testing.T) {
	m := message.Parse([]byte(mail), message.Limits{})
	for client := forward.Outlook; client <= forward.Apple; client++ {
		for _, lang := range []string{"nl", "fr", "de", "en"} {
			found := original.Find(message.Parse(forward.Render(m, forward.Style{Client: client, Language: lang}), message.Limits{}))
			if len(found) != 1 || found[0].How != original.Inline {
				t.Errorf("client %d in %s: %d found, %s", client, lang, len(found), found[0].How)
				continue
			}
			o := found[0].Message
			if o.Subject != "Your parcel" || len(o.From) != 1 || o.From[0].Address != "office@parcel.example.org" || o.From[0].Name != "Parcel Office" {
				t.Errorf("client %d in %s: %q from %v", client, lang, o.Subject, o.From)
			}
			if !strings.Contains(o.Body(), "Your parcel waits.") || strings.Contains(o.Body(), "lotte") {
				t.Errorf("client %d in %s: body %q", client, lang, o.Body())
			}
			if len(o.ReplyTo) > 0 {
				t.Errorf("client %d in %s: the reply address was shown", client, lang)
			}
			if o.Markup == nil || len(o.Markup.Links) != 1 || o.Markup.Links[0].URL != "https://pay.example.org/fee" {
				t.Errorf("client %d in %s: the link's target is lost", client, lang)
			}
		}
	}
}

func TestStyles(t *testing.T) {
	seen := make(map[forward.Style]bool)
	for i := range 200 {
		style := forward.StyleOf(strings.Repeat("x", i))
		if style != forward.StyleOf(strings.Repeat("x", i)) {
			t.Fatal("the style of a name changes")
		}
		seen[style] = true
	}
	if len(seen) != 12 {
		t.Errorf("%d styles of 12", len(seen))
	}
}
