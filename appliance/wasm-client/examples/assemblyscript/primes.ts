// How many primes there are below a number: the sieve of Eratosthenes in the module's own memory.
export function primes(limit: i32): i32 {
  const composite = new Uint8Array(limit)
  let count = 0
  for (let n = 2; n < limit; n++) {
    if (unchecked(composite[n])) continue
    count++
    for (let multiple = n * 2; multiple < limit; multiple += n) unchecked((composite[multiple] = 1))
  }
  return count
}
