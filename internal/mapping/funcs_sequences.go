package mapping

// mostCount bounds the length of a generated list of numbers or random characters,
// and farthest the numbers that it is counted with.
const (
	mostCount = 1 << 17
	farthest  = 1 << 40
)

// sequences bounds what is asked for by a number.
func (b *budget) sequences(functions, lib map[string]any) {
	untilStep := lib["untilStep"].(func(int, int, int) []int)
	steps := func(start, stop, step int) ([]int, error) {
		if err := b.counting(start, stop, step); err != nil {
			return nil, err
		}
		return untilStep(start, stop, step), nil
	}
	functions["untilStep"] = steps
	functions["until"] = func(count int) ([]int, error) {
		if count < 0 {
			return steps(0, count, -1)
		}
		return steps(0, count, 1)
	}
	seq := lib["seq"].(func(...int) string)
	functions["seq"] = func(params ...int) (string, error) {
		var err error
		switch len(params) {
		case 1:
			err = b.counting(1, params[0], 1)
		case 2:
			err = b.counting(params[0], params[1], 1)
		case 3:
			err = b.counting(params[0], params[2], params[1])
		}
		if err != nil {
			return "", err
		}
		return seq(params...), nil
	}
	for _, random := range []string{"randAlpha", "randAlphaNum", "randAscii", "randNumeric"} {
		f := lib[random].(func(int) string)
		functions[random] = func(count int) (string, error) {
			if count < 0 || count > mostCount {
				return "", errCount
			}
			if err := b.spend(100 * count); err != nil {
				return "", err
			}
			return f(count), nil
		}
	}
	randBytes := lib["randBytes"].(func(int) (string, error))
	functions["randBytes"] = func(count int) (string, error) {
		if count < 0 || count > mostCount {
			return "", errCount
		}
		if err := b.spend(count); err != nil {
			return "", err
		}
		return randBytes(count)
	}
}

func (b *budget) counting(start, stop, step int) error {
	for _, n := range []int{start, stop, step} {
		if n > farthest || n < -farthest {
			return errCount
		}
	}
	if step == 0 {
		return nil
	}
	count := (stop-start)/step + 1
	if count = max(count, -count); count > mostCount {
		return errCount
	}
	return b.spend(elementWork * count)
}
