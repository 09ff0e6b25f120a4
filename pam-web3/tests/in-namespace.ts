import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'

/** Where SLIRP and passt show the host's loopback to a guest: from there all visitors of an embedded guest come. */
export const gateway = '10.0.2.2'

/** Arguments of ssh for such a visitor. */
export const asVisitor = ['-o', 'PubkeyAuthentication=no', '-b', gateway] as const

/**
 * Runs a file of tests in a network namespace of its own, where these addresses are local besides the loopback's, and reports
 * each of its tests as one of the caller's. Needs root. A file that runs no test, or ends in another way than it says, fails.
 */
export async function testInNamespace(file: string, addresses: readonly string[]): Promise<void> {
  const links = ['ip link set lo up', ...addresses.map((a) => `ip addr add ${a}/32 dev lo`)].join(' && ')
  const program = [process.execPath, '--test', '--test-reporter=tap', join(import.meta.dirname, file)]
  // no word of a caller enters the shell's text but addresses of the tests' own; the rest are its arguments
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', `${links} && exec "$@"`, 'sh', ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
    // a runner that is told it is a child reports in a form for its parent alone
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_TEST_CONTEXT')),
  })
  let said = ''
  child.stdout.on('data', (data: Buffer) => (said += data.toString()))
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  const results = [...said.matchAll(/^(not )?ok \d+ - (.*)$/gm)]
  for (const [line, not, title = ''] of results) {
    const from = said.indexOf(line)
    await test(title, (t) => {
      for (const [, told = ''] of said.slice(0, from).matchAll(/^# (approval to shell.*|all at their prompts.*)$/gm))
        t.diagnostic(told)
      if (not !== undefined) throw new Error(said.slice(from, from + 3000))
    })
  }
  await test(`${file} ran in its namespace and ended well`, () => {
    const failed = results.some(([, not]) => not !== undefined)
    if (results.length === 0 || (code !== 0 && !failed))
      throw new Error(`${results.length} tests, exit code ${code}\n${said.slice(-3000)}`)
  })
}
