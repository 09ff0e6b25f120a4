/**
 * What goes wrong on purpose. A fault is chosen by a name that a person can write into an answer file or a test, so everybody
 * can see the same failure by hand.
 */
export const storageSentinels = {
  /** No byte is free: create, reinstall, snapshot and import throw `storage-full` and leave nothing. */
  'sentinel-full': 'full',
  /** Every long verb takes 30 s more; it can be aborted. */
  'sentinel-slow': 'slow',
  /** The hypervisor does not answer: every verb throws `hypervisor-down`. */
  'sentinel-down': 'down',
  /** The disks are not mounted: every verb that must tell whether a VM is there throws `pool-not-mounted`. */
  'sentinel-unmounted': 'unmounted',
  /** The first create of each VM, and in embedded mode the first build of the guest image, fails half-way with `process-failed`; the next one completes it. */
  'sentinel-flaky': 'flaky',
  /** Guests start, but never report themselves: `onStart` is not called. */
  'sentinel-silent': 'silent',
  /** Guest agents do not answer: `agent-unreachable`. */
  'sentinel-no-agent': 'noAgent',
  /** Guests crash as soon as they run: state `crashed`. */
  'sentinel-crash': 'crash',
} as const

/** One thing that goes wrong. */
export type Fault = (typeof storageSentinels)[keyof typeof storageSentinels]

/** The fault of a storage; undefined for one that works. */
export function faultOf(storage: string): Fault | undefined {
  return Object.hasOwn(storageSentinels, storage) ? storageSentinels[storage as keyof typeof storageSentinels] : undefined
}

/** An image whose file name contains this has content that differs from its hash: the import throws `template-damaged`. */
export const damagedTemplate = 'sentinel-damaged'
/** An image whose path begins with this is no file: the fake makes one up (development without an image). */
export const madeUpTemplate = 'fake:'
