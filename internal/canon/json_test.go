package canon

import "testing"

func TestReadJSON(t *testing.T) {
	for data, ok := range map[string]bool{
		`{"A":1}`:         true,
		` {"A":1} `:       true,
		`{"A":1,"C":2}`:   false, // a field that the reader does not know
		`{"A":1}{"A":2}`:  false,
		`{"A":1} trailer`: false,
		`{"A":`:           false,
		``:                false,
	} {
		var v plain
		if err := ReadJSON([]byte(data), &v); (err == nil) != ok || ok && v.A != 1 {
			t.Errorf("%q: %+v, %v", data, v, err)
		}
	}
}
