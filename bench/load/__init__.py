"""What benchmarks ask with: generators, their clients and what they count."""
