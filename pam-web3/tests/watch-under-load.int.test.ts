import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { holder, otherWallet } from '../../appliance/src/sign-in/test-stand.ts'
import type { Subscription } from '../../appliance/src/chain/subscription.ts'
import { createHonestHost, type HonestHost } from './honest-host.ts'
import { createStand, ended, until, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// T6 with every core taken: seconds from the block that the daemon takes for `latest` to the end of the last session, daemon, long
// poll, watch and sshd included. A bound in time says something only where nothing else runs: with FREEHOLD_ALL=1 alone.
const run = promisify(execFile)
const boundSeconds = 30
const moves: [what: string, changes: () => Partial<Subscription>, line: RegExp][] = [
  [
    'the pass moves',
    () => ({ holder: otherWallet.address.toLowerCase() as `0x${string}` }),
    /Freehold: signed out: the access pass has moved to another wallet\./,
  ],
  ['the subscription ends', () => ({ state: 'ended' }), /Freehold: signed out: The subscription has ended\./],
]

if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  let honest: HonestHost
  let key: string
  const burners: ChildProcess[] = []
  before(async () => {
    stand = await createStand()
    honest = await createHonestHost(stand)
    key = join(honest.folder, 'key')
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key], { timeout: 60_000 })
    await copyFile(`${key}.pub`, stand.authorizedKeys)
    for (let i = 0; i < availableParallelism(); i += 1) {
      burners.push(spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }))
    }
  })
  after(async () => {
    Terminal.stopAll()
    for (const burner of burners) burner.kill('SIGKILL')
    await Promise.all(burners.map((burner) => ended(burner)))
    await honest?.stop()
    await stand?.stop()
  })

  async function byWallet(): Promise<Terminal> {
    const { signIn } = honest
    const terminal = new Terminal(stand.port)
    const code = /Code (\S+),/.exec(await terminal.expect(/paste the reply code: $/, 120))?.[1] ?? ''
    const signature = await holder.signMessage(signIn.textOf(signIn.open(code), holder.address))
    const place = { address: '203.0.113.9', cookieHash: null }
    const { replyCode } = await signIn.approve(code, { address: holder.address, signature }, place)
    terminal.type('\r')
    await terminal.expect(/tries left\): $/, 120)
    terminal.type(`${replyCode}\r`)
    await terminal.expect(/[$#] $/, 120)
    return terminal
  }

  for (const [what, changes, line] of moves) {
    test(`T6 with a burner on every core, when ${what} all sessions end within 30 s, each with a line that says why`, async (t) => {
      await honest.reset()
      await rm(join(stand.config, '..', 'presence.json'), { force: true })
      const watch = stand.startWatch()
      const plain = new Terminal(stand.port, { args: ['-i', key, '-o', 'PreferredAuthentications=publickey'] })
      await plain.expect(/[$#] $/, 120)
      const terminals = [plain, await byWallet(), await byWallet()]
      // its first answer stands on disk once it watches
      await until(() => existsSync(join(stand.config, '..', 'presence.json')), 'the watch', 120)
      assert.ok(burners.every((burner) => burner.exitCode === null && burner.signalCode === null))
      const began = performance.now()
      honest.host.chain.set(changes())
      const took = await Promise.all(
        terminals.map(async (terminal) => {
          await terminal.expect(line, 120)
          assert.notEqual(await terminal.exit(120), 0)
          return (performance.now() - began) / 1000
        }),
      )
      const last = Math.max(...took)
      t.diagnostic(`${took.length} sessions, the last ended ${last.toFixed(1)} s after the block, ${burners.length} burners`)
      assert.ok(last < boundSeconds, `${last}`)
      watch.kill('SIGTERM')
      await ended(watch)
    })
  }
}
