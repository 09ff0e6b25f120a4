// How the daemon is kept small, as its unit has it (appliance/units/freeholdd.service); what was measured: scripts/bench/README.md.

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
