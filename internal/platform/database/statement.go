package database

import (
	"database/sql"
	"fmt"
	"strings"
)

// Placeholders returns "$from, …, $(from+n-1)" for an IN list of n values.
func Placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// Tuples returns n times "($1, …)" with that many columns, for VALUES.
func Tuples(n, columns int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		b.WriteString(Placeholders(1+i*columns, columns))
		b.WriteByte(')')
	}
	return b.String()
}

// Padded is the next power of two. A list that is filled up to it, by
// repeating its last value, makes few statements of many lengths.
func Padded(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// In returns " IN ($1, …)" and its arguments for at least one ID, padded.
func In(ids []ID) (list string, args []any) {
	args = make([]any, Padded(len(ids)))
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	return " IN (" + Placeholders(1, len(args)) + ")", args
}

// Column reads rows of one value each, and closes them.
func Column[T any](rows *sql.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
