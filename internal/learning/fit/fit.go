package fit

import "math"

// Problem is a weighted set of rows with features in columns.
type Problem struct {
	// Columns hold the rows in which a feature is not zero.
	Columns [][]Cell
	// Positive and Mass are each row's class and weight.
	Positive []bool
	Mass     []float64
	// Priors are what is believed of each column's weight beforehand.
	Priors []Prior
}

// Cell is a feature's value in a row.
type Cell struct {
	Row   int32
	Value float32
}

// Prior is the belief in a weight: a normal distribution, cut off at bounds.
type Prior struct {
	Mean      float64
	Precision float64 // 1/variance; 0 believes nothing
	Low, High float64
}

// Rounds bounds the passes over all columns; tolerance is the change of a
// weight, scaled by its effect, under which a pass has found the end.
const (
	rounds    = 60
	tolerance = 2e-3
)

// Solve returns the weights with the greatest posterior probability, by
// cyclic coordinate descent with a trust region for each weight (Genkin,
// Lewis, Madigan 2007).
func Solve(p *Problem) []float64 {
	weights := make([]float64, len(p.Columns))
	region := make([]float64, len(p.Columns))
	margins := make([]float64, len(p.Mass)) // w·x times the class's sign
	for j, prior := range p.Priors {
		region[j] = 1
		weights[j] = clamp(prior.Mean, prior.Low, prior.High)
		if weights[j] != 0 {
			p.shift(margins, j, weights[j])
		}
	}
	probability := make([]float64, len(p.Mass)) // of being wrong
	for i, m := range margins {
		probability[i] = 1 / (1 + math.Exp(m))
	}
	idle := make([]uint8, len(p.Columns)) // passes in which it did not move
	for round := range rounds {
		moved := 0.0
		for j := range p.Columns {
			if idle[j] >= 2 && round%8 != 7 {
				continue
			}
			delta := p.step(j, weights[j], region[j], probability)
			region[j] = math.Max(2*math.Abs(delta), region[j]/2)
			if math.Abs(delta) < 1e-6 {
				idle[j]++
				continue
			}
			idle[j] = 0
			weights[j] += delta
			moved = math.Max(moved, math.Abs(delta))
			p.shift(margins, j, delta)
			for _, c := range p.Columns[j] {
				probability[c.Row] = 1 / (1 + math.Exp(margins[c.Row]))
			}
		}
		if moved < tolerance && round > 1 {
			break
		}
	}
	return weights
}

// shift moves the margins by a change of one weight.
func (p *Problem) shift(margins []float64, j int, delta float64) {
	for _, c := range p.Columns[j] {
		d := delta * float64(c.Value)
		if !p.Positive[c.Row] {
			d = -d
		}
		margins[c.Row] += d
	}
}

// step is one Newton step of a weight within its trust region and bounds. The
// curvature is bounded from the current probabilities and the quarter that no
// logistic exceeds.
func (p *Problem) step(j int, weight, region float64, probability []float64) float64 {
	prior := p.Priors[j]
	gradient, curvature := prior.Precision*(weight-prior.Mean), prior.Precision
	for _, c := range p.Columns[j] {
		q, x, m := probability[c.Row], float64(c.Value), p.Mass[c.Row]
		if p.Positive[c.Row] {
			gradient -= m * x * q
		} else {
			gradient += m * x * q
		}
		// Within the region the curvature can grow by exp(region·x) at most.
		h := q * (1 - q) * math.Exp(math.Min(region*math.Abs(x), 2))
		curvature += m * x * x * math.Min(h, 0.25)
	}
	if curvature <= 0 {
		return 0
	}
	delta := clamp(-gradient/curvature, -region, region)
	return clamp(weight+delta, prior.Low, prior.High) - weight
}

func clamp(x, low, high float64) float64 { return math.Max(low, math.Min(high, x)) }
