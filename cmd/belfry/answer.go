package main

import (
	"context"
	"fmt"
	"time"
)

type answerCmd struct {
	Requeue answerRequeueCmd `cmd:"" help:"Send the answers that no relay was there for."`
}

type answerRequeueCmd struct {
	storeFlags
	Relay string `help:"Mail server for answers, smtp://[user:password@]host[:port]." placeholder:"URL"`
	Days  int    `help:"Only answers of the last days." default:"3" placeholder:"N"`
}

func (c *answerRequeueCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.openWith(ctx, s, map[string]string{"relay": c.Relay})
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	n, err := a.Answer().Requeue(ctx, commandLine, time.Duration(c.Days)*24*time.Hour)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d answers are to be sent; a running server takes them up within a second\n", n)
	return nil
}
