package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// report is what was measured.
type report struct {
	Machine string   `json:"machine"`
	Figures []figure `json:"figures"`
}

// figure is one measurement. Ratio is against Target; a figure without target has none.
type figure struct {
	Letter string  `json:"letter"`
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Ratio  float64 `json:"ratio,omitempty"`
	Target float64 `json:"target,omitempty"`
	Met    bool    `json:"met"`
	Note   string  `json:"note"`
}

func (r *report) add(letter, name string, value float64, unit string, ratio, target float64, note string) {
	r.Machine = fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	r.Figures = append(r.Figures, figure{Letter: letter, Name: name, Value: value, Unit: unit, Ratio: ratio, Target: target, Met: ratio >= target, Note: note})
}

func (r *report) print(out io.Writer) {
	fmt.Fprintln(out, r.Machine)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tmeasured\tvalue\tratio\ttarget\t\twhat the ratio is of")
	for _, f := range r.Figures {
		ratio, target, met := "", "", ""
		if f.Target > 0 {
			ratio, target, met = fmt.Sprintf("%.2f", f.Ratio), fmt.Sprintf("%.2f", f.Target), "missed"
			if f.Met {
				met = "met"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f %s\t%s\t%s\t%s\t%s\n", f.Letter, f.Name, f.Value, f.Unit, ratio, target, met, f.Note)
	}
	_ = w.Flush() // to a terminal or a file that the caller looks at
}
