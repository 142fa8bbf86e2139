package fit

import (
	"math"
	"testing"
)

// problem has four rows and two columns: an intercept and a feature that the
// positive rows have more often.
func problem() *Problem {
	return &Problem{
		Columns:  [][]Cell{{{0, 1}, {1, 1}, {2, 1}, {3, 1}}, {{0, 1}, {1, 1}, {2, 1}}},
		Positive: []bool{true, true, false, false},
		Mass:     []float64{1, 1, 1, 1},
		Priors:   []Prior{{Precision: 0.1, Low: -9, High: 9}, {Precision: 0.5, Low: -9, High: 9}},
	}
}

// gradient of the log posterior at w; zero at the top.
func gradient(p *Problem, w []float64, j int) float64 {
	g := p.Priors[j].Precision * (w[j] - p.Priors[j].Mean)
	for _, c := range p.Columns[j] {
		z := 0.0
		for k := range p.Columns {
			for _, d := range p.Columns[k] {
				if d.Row == c.Row {
					z += w[k] * float64(d.Value)
				}
			}
		}
		y := 0.0
		if p.Positive[c.Row] {
			y = 1
		}
		g += p.Mass[c.Row] * float64(c.Value) * (1/(1+math.Exp(-z)) - y)
	}
	return g
}

func TestSolveFindsTheTop(t *testing.T) {
	p := problem()
	w := Solve(p)
	for j := range w {
		if g := gradient(p, w, j); math.Abs(g) > 0.01 {
			t.Errorf("weight %d is %v, the gradient there %v", j, w[j], g)
		}
	}
	if w[1] <= 0 {
		t.Errorf("the feature of the positive weighs %v", w[1])
	}
}

func TestSolveKeepsBounds(t *testing.T) {
	p := problem()
	p.Priors[1].High = 0
	p.Priors[1].Mean = -1
	if w := Solve(p); w[1] > 0 || w[1] < -1 {
		t.Errorf("weight %v", w[1])
	}
	p.Priors[1].Precision = 1e6
	if w := Solve(p); math.Abs(w[1]+1) > 0.01 {
		t.Errorf("a firm belief of -1 became %v", w[1])
	}
}
