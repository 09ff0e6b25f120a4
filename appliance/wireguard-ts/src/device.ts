import type { DeviceChange, DeviceState } from './uapi-codec.ts'

/**
 * A WireGuard interface that exists, whatever drives it: the kernel, a userspace daemon, or the fake world. One contract suite
 * runs over all three.
 */
export interface WireGuardDevice {
  /** What stands now. Throws `interface-missing` where nothing answers. */
  read(): Promise<DeviceState>
  /**
   * Applies a change and resolves when the device has said that it took it. A set is not atomic: after any error what stands
   * must be read again. Throws `interface-missing`, `interface-refused`, `timed-out`.
   */
  apply(change: DeviceChange): Promise<void>
}
