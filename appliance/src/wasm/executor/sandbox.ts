import { spawnSync } from 'node:child_process'

/**
 * prlimit(1): no core is dumped (it would hold a guest's memory), few descriptors, and no file grows beyond what machine code
 * needs: it is mapped from a sealed file in memory, which counts as one.
 */
const limits = ['prlimit', '--fsize=268435456', '--core=0', '--nofile=256', '--']
/** unshare(1): a network namespace with nothing in it, not even a loopback that is up. */
const withoutNetwork = ['unshare', '--user', '--map-current-user', '--net', '--']

let tried: readonly string[] | undefined

/**
 * A command line as an executor runs it: under limits, and without network where the kernel lets this user have a namespace of
 * its own (the unit does; whether it worked is in `hasNoNetwork`). Each wrapper replaces itself, so the pid is the program's.
 */
export function sandboxed(command: readonly string[]): string[] {
  return [...wrappers(), ...command]
}

/** Executors are cut off from every network. */
export function hasNoNetwork(): boolean {
  return wrappers().length > limits.length
}

function wrappers(): readonly string[] {
  tried ??= runs([...withoutNetwork, ...limits]) ? [...withoutNetwork, ...limits] : limits
  return tried
}

function runs([command = '', ...args]: readonly string[]): boolean {
  return spawnSync(command, [...args, 'true'], { stdio: 'ignore', timeout: 5000 }).status === 0
}
