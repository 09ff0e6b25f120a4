import { spawn, type ChildProcess } from 'node:child_process'
import type { Clock } from '../../clock/clock.ts'

/** Wakes on every event of libvirt. The process ends with the daemon: it is begun again, and the loop woken, until the end. */
export function watchEvents(uri: string, clock: Clock, wake: () => void): () => void {
  const ended = new AbortController()
  let child: ChildProcess | undefined
  async function follow(): Promise<void> {
    while (!ended.signal.aborted) {
      child = spawn('virsh', ['--quiet', '-c', uri, 'event', '--all', '--loop', '--timestamp'], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, LC_ALL: 'C' },
      })
      child.stdout?.on('data', wake)
      const { promise, resolve } = Promise.withResolvers<void>()
      child.on('error', () => resolve())
      child.on('close', () => resolve())
      await promise
      if (ended.signal.aborted) return
      wake()
      await clock.wait(1000, ended.signal)
    }
  }
  void follow()
  return () => {
    ended.abort()
    child?.kill('SIGTERM')
  }
}
