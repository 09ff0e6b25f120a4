import { readFileSync } from 'node:fs'
import { AppError } from '@freehold/appliance/errors/app-error'

/** Resident memory of a process in MB (10⁶ bytes), as the kernel counts it. Throws AppError `internal` if it tells none. */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new AppError({ code: 'internal', detail: 'The process tells no resident memory.' })
  return (Number(kib) * 1024) / 1e6
}
