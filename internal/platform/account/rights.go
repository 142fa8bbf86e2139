package account

import (
	"maps"
	"slices"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Role says what somebody does at the centre.
type Role string

const (
	Analyst Role = "analyst" // reads reports and judges them
	Admin   Role = "admin"   // runs the installation: tokens, retention, audit; reads what an analyst reads
	Intake  Role = "intake"  // a machine that hands in reports and sees nothing

	system Role = "system" // the program itself; no token can have it
)

// Roles returns the roles that a token can have.
func Roles() []Role { return []Role{Analyst, Admin, Intake} }

// Act is something a viewer may or may not do: "what it is done to" and "what
// is done", as the audit log names it.
type Act string

const (
	SubmitReport  Act = "report.submit"   // hand in a report through the API
	ReadReport    Act = "report.read"     // list and read reports, their messages and reasons
	ReadRaw       Act = "report.read-raw" // fetch the bytes that a reporter sent
	SeeReporter   Act = "report.reporter" // see who reported
	ReadSighting  Act = "observable.read" // search observables and their sightings
	SendAnswer    Act = "answer.send"     // send an answer again, or by hand
	ErasePerson   Act = "person.erase"    // export or erase what is stored of one person
	OperateJobs   Act = "job.operate"     // see, repeat and drop dead letters
	ManageTokens  Act = "token.manage"    // make, list and revoke tokens
	ReadAudit     Act = "audit.read"      // read and verify the audit log
	ReadSituation Act = "figure.read"     // see counts and queues
	SignIn        Act = "session.create"  // open the staff pages
)

// rights is the only place that says who may do what.
var rights = map[Act][]Role{
	SubmitReport:  {Intake, Analyst, Admin},
	ReadReport:    {Analyst, Admin},
	ReadRaw:       {Analyst, Admin},
	SeeReporter:   {Analyst, Admin},
	ReadSighting:  {Analyst, Admin},
	SendAnswer:    {Analyst},
	ErasePerson:   {Admin},
	OperateJobs:   {Admin},
	ManageTokens:  {Admin},
	ReadAudit:     {Admin},
	ReadSituation: {Analyst, Admin},
	SignIn:        {Analyst, Admin},
}

// Acts returns every act, sorted.
func Acts() []Act { return slices.Sorted(maps.Keys(rights)) }

// Viewer is who asks. The zero Viewer is somebody who is not signed in.
type Viewer struct {
	Account       database.ID // the token or, later, the account; 0 for nobody and for the program
	Name          string      // for pages and logs; the token's label, never a person's data
	Roles         []Role
	Organisations []string // constituents whose things the viewer sees; none yet
	Clearance     string   // the strictest TLP 2.0 label that the viewer may see; none yet
}

// System returns the viewer as which the program acts by itself: a job or a
// verb of the command line. It may do everything.
func System(name string) Viewer { return Viewer{Name: name, Roles: []Role{system}} }

// SignedIn reports whether the viewer is anybody at all.
func (v Viewer) SignedIn() bool { return len(v.Roles) > 0 }

// Actor returns the viewer as the audit log names one: "token:…",
// "system:serve" or "anonymous".
func (v Viewer) Actor() string {
	switch {
	case slices.Contains(v.Roles, system):
		return "system:" + v.Name
	case v.Account != 0:
		return "token:" + v.Account.String()
	}
	return "anonymous"
}

// May reports whether the viewer may do that. An act that is not in the table
// is nobody's, the program's own included.
func (v Viewer) May(act Act) bool {
	allowed, known := rights[act]
	if !known {
		return false
	}
	for _, role := range v.Roles {
		if role == system || slices.Contains(allowed, role) {
			return true
		}
	}
	return false
}

// Require returns nil when the viewer may do that, an error of kind
// Unauthorized when nobody is signed in, and one of kind Forbidden otherwise.
func Require(v Viewer, act Act) error {
	switch {
	case v.May(act):
		return nil
	case !v.SignedIn():
		return fault.New(fault.Unauthorized, "")
	}
	return fault.New(fault.Forbidden, "")
}
