package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// golden says who may do what, read as a person reads it. Whoever changes a
// right changes it here too.
const golden = `
act                analyst  admin  intake  nobody
answer.send        yes      -      -       -
audit.read         -        yes    -       -
figure.read        yes      yes    -       -
job.operate        -        yes    -       -
observable.read    yes      yes    -       -
person.erase       -        yes    -       -
report.read        yes      yes    -       -
report.read-raw    yes      yes    -       -
report.reporter    yes      yes    -       -
report.submit      yes      yes    yes     -
session.create     yes      yes    -       -
token.manage       -        yes    -       -
`

func TestEveryRoleAndEveryAct(t *testing.T) {
	var b strings.Builder
	b.WriteString("\nact                analyst  admin  intake  nobody\n")
	for _, act := range account.Acts() {
		cells := []any{act}
		for _, v := range []account.Viewer{
			{Account: 1, Roles: []account.Role{account.Analyst}},
			{Account: 1, Roles: []account.Role{account.Admin}},
			{Account: 1, Roles: []account.Role{account.Intake}},
			{},
		} {
			cell := "-"
			if v.May(act) {
				cell = "yes"
			}
			cells = append(cells, cell)
			err := account.Require(v, act)
			switch {
			case cell == "yes" && err != nil:
				t.Errorf("%v may %s, Require says %v", v.Roles, act, err)
			case cell == "-" && !v.SignedIn() && !fault.Is(err, fault.Unauthorized):
				t.Errorf("nobody, %s: %v", act, err)
			case cell == "-" && v.SignedIn() && !fault.Is(err, fault.Forbidden):
				t.Errorf("%v, %s: %v", v.Roles, act, err)
			}
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-18s %-8s %-6s %-7s %s", cells...), " ") + "\n")
		if !account.System("test").May(act) {
			t.Errorf("the program itself may not %s", act)
		}
	}
	if diff := cmp.Diff(golden, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownActsAndRoles(t *testing.T) {
	for _, v := range []account.Viewer{
		{}, account.System("test"), {Roles: []account.Role{account.Admin}},
	} {
		if v.May("report.burn") || v.May("") {
			t.Errorf("%v may do what nobody knows", v)
		}
	}
	if (account.Viewer{Roles: []account.Role{"root"}}).May(account.ReadReport) {
		t.Error("an unknown role may read")
	}
}

func TestActor(t *testing.T) {
	for want, v := range map[string]account.Viewer{
		"anonymous":    {},
		"token:7":      {Account: 7, Name: "x", Roles: []account.Role{account.Analyst}},
		"system:purge": account.System("purge"),
	} {
		if got := v.Actor(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
