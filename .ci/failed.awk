# Reads `go test -v` output, prints the output of the packages that failed
# without the tests that passed.
/^=== / { next }
/^[ \t]*--- (PASS|SKIP): / { next }
/^(ok|\?)[ \t]/ { split("", held); n = 0; next }
/^FAIL[ \t]/ { for (i = 1; i <= n; i++) print held[i]; print; split("", held); n = 0; next }
{ held[++n] = $0 }
END { for (i = 1; i <= n; i++) print held[i] }
