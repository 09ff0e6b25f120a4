import type { VmMetricsView } from '@freehold/appliance/api/schemas/operator'

/** What a VM used between two looks; null where the hypervisor does not tell. */
export interface Rates {
  /** Unix seconds of the later look. */
  at: number
  /** Of one CPU: two busy ones are 200. */
  cpuPercent: number | null
  memoryMiB: number | null
  diskKiBps: number | null
  networkKiBps: number | null
}

/** Rates between neighbouring counters. A counter that fell back (the VM began anew) tells nothing for that stretch. Pure. */
export function ratesOf(samples: readonly VmMetricsView[]): Rates[] {
  return samples.slice(1).flatMap((now, i) => {
    const before = samples[i]
    if (before === undefined || now.at <= before.at) return []
    const seconds = now.at - before.at
    const grown = (a: number | null, b: number | null) => (a === null || b === null || b < a ? null : (b - a) / seconds)
    const sum = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : a + b)
    const cpu = grown(before.cpuSeconds, now.cpuSeconds)
    const disk = grown(sum(before.diskReadBytes, before.diskWrittenBytes), sum(now.diskReadBytes, now.diskWrittenBytes))
    const network = grown(
      sum(before.networkReceivedBytes, before.networkSentBytes),
      sum(now.networkReceivedBytes, now.networkSentBytes),
    )
    return [
      {
        at: now.at,
        cpuPercent: cpu === null ? null : cpu * 100,
        memoryMiB: now.memoryUsedMiB,
        diskKiBps: disk === null ? null : disk / 1024,
        networkKiBps: network === null ? null : network / 1024,
      },
    ]
  })
}
