package fault

import "net/http"

// reply is what one kind looks like at each door.
type reply struct {
	status   int    // HTTP (RFC 9110)
	code     int    // SMTP (RFC 5321, section 4.2)
	enhanced [3]int // SMTP enhanced status (RFC 3463)
	exit     int    // process exit status
	sentence string
}

var replies = [...]reply{
	Internal:     {http.StatusInternalServerError, 451, [3]int{4, 3, 0}, 1, "Something went wrong on our side."},
	Invalid:      {http.StatusUnprocessableEntity, 554, [3]int{5, 6, 0}, 2, "The input is not valid."},
	Unauthorized: {http.StatusUnauthorized, 530, [3]int{5, 7, 0}, 3, "Sign in first."},
	Forbidden:    {http.StatusForbidden, 550, [3]int{5, 7, 1}, 3, "You may not do this."},
	NotFound:     {http.StatusNotFound, 550, [3]int{5, 1, 1}, 4, "There is no such thing here."},
	Conflict:     {http.StatusConflict, 554, [3]int{5, 5, 0}, 5, "That does not fit the present state."},
	TooLarge:     {http.StatusRequestEntityTooLarge, 552, [3]int{5, 3, 4}, 6, "That is too large."},
	Unsupported:  {http.StatusUnsupportedMediaType, 554, [3]int{5, 6, 1}, 2, "That kind of content is not taken here."},
	RateLimited:  {http.StatusTooManyRequests, 451, [3]int{4, 7, 1}, 7, "Too much at once; try again later."},
	Busy:         {http.StatusServiceUnavailable, 451, [3]int{4, 3, 2}, 7, "Busy now; try again later."},
}

func (k Kind) reply() reply {
	if int(k) < len(replies) {
		return replies[k]
	}
	return replies[Internal]
}

func (k Kind) sentence() string { return k.reply().sentence }

// HTTPStatus returns the status code of RFC 9110 for the kind.
func (k Kind) HTTPStatus() int { return k.reply().status }

// SMTP returns the reply code of RFC 5321 and the enhanced code of RFC 3463.
// What may pass by itself is a 4xx, so that no sender drops a mail for it; an
// Internal error is one of these.
func (k Kind) SMTP() (code int, enhanced [3]int) {
	r := k.reply()
	return r.code, r.enhanced
}

// ExitCode returns the status with which a command of that fate ends: 2 for
// wrong input as is usual, 1 for our own failures, 3 and up for the others.
func (k Kind) ExitCode() int { return k.reply().exit }

// FromHTTP returns the kind that a status code stands for, for errors that a
// library has already turned into one.
func FromHTTP(status int) Kind {
	switch status {
	case http.StatusBadRequest:
		return Invalid
	case http.StatusMethodNotAllowed:
		return Unsupported
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return Busy
	}
	for k, r := range replies {
		if r.status == status {
			return Kind(k)
		}
	}
	if status >= 400 && status < 500 {
		return Invalid
	}
	return Internal
}
