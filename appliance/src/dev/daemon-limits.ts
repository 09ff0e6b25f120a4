// How the daemons and the pages are kept small, as their units have it (appliance/units); what was
// measured: scripts/bench/README.md.

/**
 * A small young generation, and an old one that is collected before it has grown by half: V8 lets it grow to the fourfold where
 * it may take gigabytes. 512 MB hold more than 50,000 subscriptions.
 */
export const daemonNodeOptions: readonly string[] = ['--max-semi-space-size=4', '--max-old-space-size=512']

/** One arena, and large pieces given back at once: glibc else keeps every size that was ever freed, up to 32 MB. */
export const daemonMalloc: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

/** The pages' server: 206 MB without these, 130 MB with them, after a list of 10,000 VMs was read, filtered and scrolled. */
export const pagesEnvironment: Readonly<Record<string, string>> = {
  NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=128',
  ...daemonMalloc,
}

/** A heap that is collected when it has grown by a third, a young generation for what a hundred calls under way need. */
export const wasmdFlags: readonly string[] = ['--heap-growing-percent=30', '--min-semi-space-size=16', '--max-semi-space-size=16']

/** Two arenas for many threads; programs, requests and artifacts are given back at once. */
export const wasmdMalloc: Readonly<Record<string, string>> = { ...daemonMalloc, MALLOC_ARENA_MAX: '2' }
