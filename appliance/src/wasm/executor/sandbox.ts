import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { canConfine, confined } from 'wasmtime-node/confine'

/**
 * prlimit(1): no core is dumped (it would hold a guest's memory), few descriptors, and no file grows beyond what machine code
 * needs: it is mapped from a sealed file in memory, which counts as one.
 */
const limits = ['prlimit', '--fsize=268435456', '--core=0', '--nofile=256', '--']
/** unshare(1): a network namespace with nothing in it, not even a loopback that is up. */
const withoutNetwork = ['unshare', '--user', '--map-current-user', '--net', '--']
/** The code of an executor; the engine's comes with `confined`. */
const code = [import.meta.dirname, join(import.meta.dirname, '../../../package.json')]

let network: readonly string[] | undefined

/**
 * A command line as an executor runs it: under limits, without network where the kernel lets this user have a namespace of its
 * own (the unit does), and confined to its own code where the kernel can do that: the service's user owns keys and database, and
 * an executor that a guest has taken over can open neither, nor signal or trace the service. Whether it worked is in
 * `hasNoNetwork` and `opensNoFile`. Each wrapper replaces itself, so the pid is the program's.
 */
export function sandboxed(command: readonly string[]): string[] {
  return [...cutOff(), ...limits, ...confined({ read: code }), ...command]
}

/** The words before a compiler's command: the same walls, without the limits, of which it has its own. */
export function aside(): string[] {
  return [...cutOff(), ...confined()]
}

/** Executors are cut off from every network. */
export function hasNoNetwork(): boolean {
  return cutOff().length > 0
}

/** Executors open no file but their own code, and reach no process of the service. */
export function opensNoFile(): boolean {
  return canConfine()
}

function cutOff(): readonly string[] {
  network ??= runs(withoutNetwork) ? withoutNetwork : []
  return network
}

function runs([command = '', ...args]: readonly string[]): boolean {
  return spawnSync(command, [...args, 'true'], { stdio: 'ignore', timeout: 5000 }).status === 0
}
