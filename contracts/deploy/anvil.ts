import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

/**
 * Starts anvil for a test. It is the node itself, not the wrapper that npm links: a wrapper that is killed leaves the node behind.
 * It dies with this process, however this process dies.
 */
export function spawnAnvil(args: readonly string[]): ChildProcess {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const anvil = join(import.meta.dirname, `../../node_modules/@foundry-rs/anvil-linux-${architecture}/bin/anvil`)
  return spawn('setpriv', ['--pdeathsig', 'KILL', anvil, ...args], { stdio: 'ignore' })
}
