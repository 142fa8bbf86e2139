package test

import (
	"fmt"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// TestNoRelay: without a way out no answer is dropped. It stands on the follow
// page and in the list as unsent, and goes out once there is a relay and
// somebody says so.
func TestNoRelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := options{data: t.TempDir(), env: []string{"BELFRY_TRUST_RESOLVER=" + w.dns.Addr()}}
	p := start(t, o)
	from := "an@" + proved
	if err := p.sendMail(from, desk, reportMail(from, "Uw pakket", nil)); err != nil {
		t.Fatal(err)
	}
	c := p.api("analyst")
	d := c.report(c.settled(1)[0].ID)
	if d.Answer == nil || d.Answer.State != "unsent" || d.Answer.Text == "" {
		t.Errorf("the answer is %+v", d.Answer)
	}
	p.stop()
	o.world = w
	p = start(t, o)
	c = &client{t, p, c.token}
	if _, mails := w.addressees(); mails != 0 {
		t.Errorf("%d mails went out by themselves", mails)
	}
	out, errs, err := p.belfry("answer", "requeue", "--relay", w.relay())
	if err != nil || out == "" {
		t.Fatalf("%v %s%s", err, out, errs)
	}
	eventually(t, func() error {
		if n := len(w.to(from)); n != 1 {
			return fmt.Errorf("%d answers", n)
		}
		if s := c.report(d.ID).Answer.State; s != "sent" {
			return fmt.Errorf("the answer is %s", s)
		}
		return nil
	})
	p.stop()
}

// TestRelayRefuses: what the relay refuses for good is recorded and not tried
// again; the report is settled all the same.
func TestRelayRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuse = fault.New(fault.Forbidden, "No such mailbox.")
	p := start(t, options{world: w})
	from := "an@" + proved
	if err := p.sendMail(from, desk, reportMail(from, "Uw pakket", nil)); err != nil {
		t.Fatal(err)
	}
	c := p.api("analyst")
	id := c.settled(1)[0].ID
	eventually(t, func() error {
		if a := c.report(id).Answer; a == nil || a.State != "failed" {
			return fmt.Errorf("the answer is %+v", a)
		}
		return nil
	})
	p.stop()
	p.verify()
}
