import type { Volume } from './world.ts'

/** What runs real guests under the stand-in: QEMU processes and image files. */
export interface Machines {
  readonly folder: string
  makeImage(volume: Volume, from: Volume | undefined, linked: boolean): Promise<void>
  /** Takes an uploaded file as the content of a volume. */
  adopt(volume: Volume, uploaded: string): Promise<void>
  resize(volume: Volume, bytes: number): Promise<void>
  removeImage(volume: Volume): Promise<void>
  start(vmid: number, what: GuestParts): Promise<void>
  isRunning(vmid: number): boolean
  powerdown(vmid: number): Promise<void>
  kill(vmid: number): Promise<void>
  snapshot(vmid: number, volume: Volume, name: string): Promise<void>
  rollback(volume: Volume, name: string): Promise<void>
  removeSnapshot(vmid: number, volume: Volume, name: string): Promise<void>
  serialSocket(vmid: number): string | undefined
  /** One command of the guest agent; rejects if it does not answer. */
  agent(vmid: number, command: string, args?: object): Promise<unknown>
  close(): Promise<void>
}

export interface GuestParts {
  name: string
  memoryMiB: number
  cores: number
  mac: string
  disks: readonly { path: string; format: string }[]
  cdrom: string | undefined
  /** Loopback port that is forwarded to the guest's port 22, by whoever runs the stand-in. */
  forward: number | undefined
  onExit(): void
}

/** Where the image of a volume lies. */
export function newVolumePath(machines: Machines, node: string, volid: string): string {
  return `${machines.folder}/${node}/${volid.replace(':', '/').replaceAll('/', '_')}`
}
