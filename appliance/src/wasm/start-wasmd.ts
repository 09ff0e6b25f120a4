import { chmod, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { holdDaemonLock } from '../store/daemon-lock.ts'
import { hasNoNetwork, opensNoFile } from './executor/sandbox.ts'
import { createHostDoor } from './host-door.ts'
import { openWasm } from './open-wasm.ts'
import type { WasmConfig } from './wasm-config.ts'
import type { WasmLog } from './wasm-log.ts'

export interface WasmDaemonOptions {
  config: WasmConfig
  /** Database, cache, secrets and lock. */
  stateFolder: string
  /** The daemon's own door: a path that this process makes, or a socket that systemd has opened for it. */
  hostSocket: string | { fd: number }
  clock: Clock
  log: WasmLog
}

export interface WasmDaemon {
  /** Where it listens, as `address:port`. */
  listensAt: string
  /** Takes no new call, lets running ones end, then stops. May be called twice. */
  stop(): Promise<void>
}

/**
 * freehold-wasmd: one per state folder. What a former life left (a log that ended in the middle, executors) needs no care: the
 * log is what the database has, and executors end with their parent. Throws `already-running`, `port-in-use`.
 */
export async function startWasmDaemon(options: WasmDaemonOptions): Promise<WasmDaemon> {
  const { config, stateFolder, hostSocket, clock, log } = options
  await mkdir(stateFolder, { recursive: true, mode: 0o700 })
  const lock = holdDaemonLock(join(stateFolder, 'wasmd.lock'))
  const wasm = await openWasm({ config, folder: stateFolder, clock, logLine: (line) => log.line(line) }).catch(
    (error: unknown) => {
      lock.release()
      throw error
    },
  )
  const door = createHostDoor(wasm, clock, config.payment.free_gas_per_day)
  const { host, port } = config.server
  try {
    // nobody is let in before an executor takes calls
    await wasm.pool.compatibility()
    await listen(door, hostSocket)
    await wasm.app.listen({ host, port })
  } catch (cause) {
    await door.close()
    await wasm.close()
    lock.release()
    if ((cause as { code?: string }).code === 'EADDRINUSE') {
      throw new AppError({ code: 'port-in-use', detail: `${host}:${port} is in use; freehold-wasmd needs it.`, cause })
    }
    throw cause
  }
  const address = wasm.app.server.address()
  const listensAt = typeof address === 'object' && address !== null ? `${address.address}:${address.port}` : ''
  log.line({ level: 'info', message: 'freehold-wasmd is up', listens_at: listensAt, receipts: wasm.log.size })
  if (!opensNoFile()) log.line({ level: 'warn', message: 'executors are not confined to their own files: this kernel cannot' })
  if (!hasNoNetwork()) log.line({ level: 'warn', message: 'executors share the network of the service: no namespace is allowed' })
  let stopped: Promise<void> | undefined
  return {
    listensAt,
    stop: () =>
      (stopped ??= (async () => {
        log.line({ level: 'info', message: 'stopping' })
        await door.close()
        await wasm.close()
        lock.release()
      })()),
  }
}

/** A socket that its user and group may open; a left-over of a crash is replaced. */
async function listen(door: ReturnType<typeof createHostDoor>, path: string | { fd: number }): Promise<void> {
  if (typeof path !== 'string') {
    await door.ready()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    door.server.once('error', reject).listen(path, resolve)
    return await promise
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  await rm(path, { force: true })
  const before = process.umask(0o177)
  try {
    await door.listen({ path })
  } finally {
    process.umask(before)
  }
  await chmod(path, 0o660)
}
