import { readFileSync } from 'node:fs'

/** Microseconds of processor that a process has used, all its threads together; in steps of the kernel's ticks (10 ms). */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  // utime and stime are the 14th and 15th of all (proc_pid_stat(5)), a hundred ticks a second
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
