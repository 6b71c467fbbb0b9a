package main

/* two
lines */ import "fmt"

func main() { // go
	s := `raw
 "x" ` + "a\"b"
	fmt.Println(len(s), 0x1f)
}
