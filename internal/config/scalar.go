package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set reads text as a value of the key and stores it in v. It is the one way by which texts of the file, the environment,
// flags and defaults become values. Errors say what is wrong with the text, not where it stands.
func (k *key) set(v reflect.Value, text string) error {
	switch k.kind {
	case kindText:
		if err := k.checkText(text); err != nil {
			return err
		}
		v.SetString(text)
	case kindBool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%s is neither true nor false", quote(text))
		}
		v.SetBool(text == "true")
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is no whole number", quote(text))
		}
		if err := k.checkBounds(float64(n)); err != nil {
			return err
		}
		v.SetInt(n)
	case kindFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s is no number", quote(text))
		}
		if err := k.checkBounds(f); err != nil {
			return err
		}
		v.SetFloat(f)
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is no duration: write for example 500ms, 15s, 2m or 336h", quote(text))
		}
		if err := k.checkBounds(float64(d)); err != nil {
			return err
		}
		v.SetInt(int64(d))
	case kindSize:
		s, err := ParseSize(text)
		if err != nil {
			return err
		}
		if err := k.checkBounds(float64(s)); err != nil {
			return err
		}
		v.SetInt(int64(s))
	default:
		return fmt.Errorf("is a %s and takes no single value; set its keys", k.what())
	}
	return nil
}

// setList reads a text with commas as the value of a list.
func (k *key) setList(v reflect.Value, text string) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	if strings.TrimSpace(text) != "" {
		for part := range strings.SplitSeq(text, ",") {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := k.setElement(element, strings.TrimSpace(part)); err != nil {
				return err
			}
			list = reflect.Append(list, element)
		}
	}
	if err := k.checkLength(list.Len()); err != nil {
		return err
	}
	v.Set(list)
	return nil
}

// setElement reads the text of one element of a list. Where the elements are objects the text is their name.
func (k *key) setElement(element reflect.Value, text string) error {
	if k.kind == kindObjects {
		return k.fields[0].set(element.Field(k.fields[0].field), text)
	}
	if text == "" {
		return errors.New("an element is empty")
	}
	if err := k.checkText(text); err != nil {
		return err
	}
	element.SetString(text)
	return nil
}

func (k *key) checkLength(n int) error {
	if n == 0 && k.required {
		return errors.New("the list is empty; give at least one element")
	}
	return nil
}

func (k *key) checkText(text string) error {
	if text == "" {
		switch {
		case k.required:
			return errors.New("the value is empty; it must be given")
		case len(k.enum) > 0:
			return fmt.Errorf("the value is empty; give one of %s or remove the key", strings.Join(k.enum, ", "))
		}
		return nil
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return errors.New("the value holds a control character or bytes that are no text")
	}
	if len(k.enum) > 0 && !slices.Contains(k.enum, text) {
		return fmt.Errorf("%s is not among %s%s", quote(text), strings.Join(k.enum, ", "), didYouMean(text, k.enum))
	}
	if check, ok := formats[k.format]; ok {
		return check(text)
	}
	return nil
}

// entryName describes the names of the entries of maps.
var entryName = &key{kind: kindText, required: true}

// checkBounds compares with the key's bounds. The table's test makes sure that these can be read.
func (k *key) checkBounds(n float64) error {
	least, most := k.bounds()
	if n < least {
		if k.min == "" {
			return errors.New("the value is negative")
		}
		return fmt.Errorf("the value is below the least one, %s", k.min)
	}
	if n > most {
		return fmt.Errorf("the value is above the greatest one, %s", k.max)
	}
	return nil
}

func (k *key) bounds() (least, most float64) {
	least, most = 0, math.Inf(1)
	if k.min != "" {
		least = k.number(k.min)
	}
	if k.max != "" {
		most = k.number(k.max)
	}
	return least, most
}

// number reads a bound from the tags.
func (k *key) number(text string) float64 {
	plain := &key{kind: k.kind, min: "", max: ""}
	v := reflect.New(k.typ).Elem()
	if err := plain.set(v, text); err != nil {
		panic(fmt.Sprintf("config: bound %q of %s: %v", text, k.path, err))
	}
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// text writes a value of the key so that set reads it again.
func (k *key) text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return durationText(x)
	case Size:
		return x.String()
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// durationText writes 1m0s as 1m and 336h0m0s as 336h.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
