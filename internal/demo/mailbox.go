package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/mailin"
)

// mailbox is where the demo's people get their mail: an SMTP server that is
// the centre's relay.
type mailbox struct {
	server *mailin.Server
	mu     sync.Mutex
	mails  []received
}

// received is one mail that came back.
type received struct {
	to, subject, text string
	at                time.Time
	header            mail.Header
}

func openMailbox() (*mailbox, error) {
	m := &mailbox{}
	var err error
	m.server, err = mailin.New(mailin.Options{
		Addr:      "127.0.0.1:0",
		Hostname:  "mx.citizens.example",
		Recipient: func(string) bool { return true },
		Accept:    func(_ context.Context, e mailin.Envelope, data []byte) error { return m.take(e.To[0], data) },
	})
	if err != nil {
		return nil, err
	}
	return m, m.server.Start()
}

func (m *mailbox) url() string { return "smtp://" + m.server.Addr().String() + "?tls=none" }

func (m *mailbox) take(to string, data []byte) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return err
	}
	text, err := plainText(msg)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, received{to: to, subject: subject, text: text, at: time.Now(), header: msg.Header})
	return nil
}

// plainText returns the first text/plain part.
func plainText(msg *mail.Message) (string, error) {
	mediaType, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	var body io.Reader = msg.Body
	encoding := msg.Header.Get("Content-Transfer-Encoding")
	if strings.HasPrefix(mediaType, "multipart/") {
		part, err := multipart.NewReader(msg.Body, params["boundary"]).NextRawPart()
		if err != nil {
			return "", err
		}
		body, encoding = part, part.Header.Get("Content-Transfer-Encoding")
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	return string(text), err
}

// to returns the mails that somebody got.
func (m *mailbox) to(address string) (all []received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.mails {
		if strings.EqualFold(r.to, address) {
			all = append(all, r)
		}
	}
	return all
}

func (m *mailbox) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.mails)
}

func (m *mailbox) stop(ctx context.Context) error {
	if err := m.server.Stop(ctx); err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	return nil
}
