module commonworks.example/go_tlog

go 1.24

require golang.org/x/mod v0.0.0

// The test copies the two packages there out of the toolchain itself; nothing is downloaded.
replace golang.org/x/mod => ./xmod
