import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { issueCertificate } from '../../appliance/src/sign-in/certificates/issue.ts'
import { parseHostKey } from '../../appliance/src/sign-in/host-key.ts'
import type { Asker } from '../../appliance/src/sign-in/login-request.ts'
import type { Act } from '../../appliance/src/sign-in/sign-in-text.ts'
import { holder, otherWallet, testInstallation } from '../../appliance/src/sign-in/test-stand.ts'
import { doors, type Tried } from './doors.ts'
import type { HonestHost } from './honest-host.ts'
import type { LyingHost } from './lying-host.ts'
import type { Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// What a person may try although the host is honest, each to its end at a real sshd. A signature that was given for something else
// is brought twice: through the honest host, which refuses it, and by a host that hands it on, so that sshd itself has to.
const run = promisify(execFile)

/** Where the moves are played: one sshd, and two hosts that it may be told to ask. */
export interface Stage {
  stand: Stand
  honest: HonestHost
  /** Has sshd ask this host from now on, and answers it. */
  lying(): Promise<LyingHost>
  /** Signatures that were given; none may stand in a log. */
  signatures: Set<string>
}

/** One move: `id` is its row in ATTACKS.md. Fails unless sshd denied. */
export interface OutsideMove {
  id: string
  move: string
  play(stage: Stage): Promise<void>
}

const victim = { address: '203.0.113.9', cookieHash: 'victim' }
const notFit = /Denied: the wallet's signature does not fit this sign-in\./

interface Asked {
  terminal: Terminal
  code: string
}
async function ask({ stand }: Stage): Promise<Asked> {
  const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
  const code = /Code (\S+),/.exec(await terminal.prompt())?.[1] ?? ''
  return { terminal, code }
}
async function signed(stage: Stage, code: string): Promise<{ signature: string; replyCode: string }> {
  const { signIn } = stage.honest
  const signature = await holder.signMessage(signIn.textOf(signIn.open(code), holder.address))
  stage.signatures.add(signature)
  const outcome = await signIn.approve(code, { address: holder.address, signature }, victim)
  assert.equal(outcome.state, 'needs-reply', 'the move was made: the holder has signed')
  return { signature, replyCode: outcome.replyCode ?? '' }
}
async function ends({ terminal }: Asked, text: RegExp): Promise<void> {
  await terminal.expect(text)
  assert.equal(await terminal.exit(), 255)
  assert.doesNotMatch(terminal.shown, /in as/)
}
/** The control: this sshd opens to the holder, who types the reply code that his page shows. Answers the signature. */
export async function opensToHolder(stage: Stage): Promise<string> {
  const asked = await ask(stage)
  const { signature, replyCode } = await signed(stage, asked.code)
  asked.terminal.type('\r')
  await asked.terminal.expect(/3 tries left\): $/)
  asked.terminal.type(`${replyCode}\r`)
  await asked.terminal.expect(/in as owner/)
  assert.equal(await asked.terminal.exit(), 0)
  return signature
}
/** A signature for something else, brought to the terminal of somebody who did not make it. */
async function bringsToTerminal(stage: Stage, signature: string): Promise<void> {
  const asked = await ask(stage)
  const attempt = stage.honest.signIn.approve(asked.code, { address: holder.address, signature }, victim)
  await assert.rejects(attempt, { code: 'signature-invalid' })
  asked.terminal.type('\r')
  await asked.terminal.expect(/Not approved yet\./)
  asked.terminal.stop()
  assert.doesNotMatch(asked.terminal.shown, /in as/)
  const host = await stage.lying()
  let delivered = 0
  host.answer = async (opened) => {
    delivered += 1
    return { ...(await host.approve(opened)), signature }
  }
  const again = await ask(stage)
  again.terminal.type('\r')
  await ends(again, notFit)
  assert.equal(delivered, 1)
}

/** A request that a stranger began at each surface but the terminal; the holder is sent its link. */
const surfaces: [name: string, id: string, act: Act, asker: Asker][] = [
  ['the storefront', 'fixation-storefront', 'session', { kind: 'browser', cookieHash: 'attacker' }],
  ['the command line', 'fixation-cli', 'session', { kind: 'cli', nonceHash: 'attacker' }],
  ['the console', 'fixation-console', 'console', { kind: 'browser', cookieHash: 'attacker' }],
  ['a reinstall', 'fixation-reinstall', 'reinstall', { kind: 'browser', cookieHash: 'attacker' }],
  ['a rollback', 'fixation-reinstall', 'rollback', { kind: 'browser', cookieHash: 'attacker' }],
  ['a certificate', 'fixation-certificate', `certificate:SHA256:${'a'.repeat(43)}`, { kind: 'cli', nonceHash: 'attacker' }],
]

const fixations = surfaces.map(([name, id, act, asker]): OutsideMove => ({
  id,
  move: `session fixation at ${name}: what the holder signed there gives the stranger nothing, at sshd neither`,
  async play(stage) {
    const { signIn } = stage.honest
    const request = stage.honest.begin(act, asker)
    const { signature } = await signed(stage, request.code)
    assert.equal(await signIn.release(request), undefined)
    for (const guess of ['0000-0000', '1111-1111', '2222-2222']) signIn.reply(request, guess)
    assert.equal(request.state.kind, 'denied')
    assert.equal(await signIn.release(request), undefined)
    await bringsToTerminal(stage, signature)
  },
}))
const otherActs = surfaces.map(([name, , act, asker]): OutsideMove => ({
  id: 'act-for-another',
  move: `the approval of ${name}, given in full, used for a login`,
  async play(stage) {
    const { signIn } = stage.honest
    const request = stage.honest.begin(act, asker)
    const { signature, replyCode } = await signed(stage, request.code)
    signIn.reply(request, replyCode)
    assert.equal(request.state.kind, 'approved')
    await bringsToTerminal(stage, signature)
  },
}))

interface Certified {
  login(): Promise<Tried>
  /** As the host makes them, of this request of the holder's unless told otherwise. */
  certify(other?: { tokenId?: bigint; generation?: number; installation?: string; keyId?: string }): Promise<void>
}
let made = 0
/** A key whose certificate the holder signed for, and the control: it opens. */
async function certified(stage: Stage): Promise<Certified> {
  const { honest, stand } = stage
  const key = join(honest.folder, `key-${(made += 1)}`)
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key], { timeout: 60_000 })
  const parsed = parseHostKey((await readFile(`${key}.pub`, 'utf8')).trim())
  assert.ok(parsed)
  const act: Act = `certificate:${parsed.fingerprint as `SHA256:${string}`}`
  const request = honest.begin(act, { kind: 'cli', nonceHash: 'mine' })
  const { replyCode } = await signed(stage, request.code)
  honest.signIn.reply(request, replyCode)
  await honest.signIn.consume(request.requestId, () => true)
  await honest.signIn.outcomesKept()
  const certify: Certified['certify'] = async ({
    tokenId = 42n,
    generation = 1,
    installation = testInstallation,
    keyId = request.requestId,
  } = {}) => {
    const vm = { installation, tokenId, generation }
    const { certificate } = await issueCertificate({ userCaPath: stand.userCa, key: parsed, vm, keyId })
    await writeFile(`${key}-cert.pub`, `${certificate}\n`)
  }
  const door = doors['a command']
  assert.ok(door)
  const login = () => door(stand.port, ['-i', key])
  await certify()
  const first = await login()
  assert.ok(first.reached, first.shown)
  return { login, certify }
}
async function refuses({ login }: Certified, text: RegExp): Promise<void> {
  const { reached, shown, code } = await login()
  assert.deepEqual([reached, code], [false, 255], shown)
  assert.match(shown.replaceAll(/\s+/g, ' '), text)
}

const certificates: OutsideMove[] = [
  ...(
    [
      ['another VM', { tokenId: 43n }],
      ['another generation', { generation: 2 }],
      ['another installation', { installation: '0'.repeat(12) }],
    ] as const
  ).map(([what, other]): OutsideMove => ({
    id: 'certificate-principal',
    move: `a certificate of ${what}`,
    async play(stage) {
      const mine = await certified(stage)
      await mine.certify(other)
      await refuses(mine, /Permission denied \(publickey/)
    },
  })),
  {
    id: 'certificate-forged-id',
    move: 'a certificate whose key id the host never gave',
    async play(stage) {
      const mine = await certified(stage)
      await mine.certify({ keyId: 'ff'.repeat(16) })
      await refuses(mine, /Denied: This host gave no such certificate for this VM\./)
    },
  },
  {
    id: 'certificate-after-transfer',
    move: 'a certificate, good by its dates, after the pass has moved',
    async play(stage) {
      const mine = await certified(stage)
      stage.honest.host.chain.set({ holder: otherWallet.address.toLowerCase() as `0x${string}` })
      await refuses(mine, /Denied: The access pass has moved on since this certificate was given\./)
    },
  },
  {
    id: 'certificate-after-expiry',
    move: 'a certificate after the end of the subscription, and while the chain is stale',
    async play(stage) {
      const mine = await certified(stage)
      const { chain } = stage.honest.host
      chain.set({ state: 'ended' })
      await refuses(mine, /Denied: The subscription has ended\./)
      chain.set({})
      chain.heads = { ...chain.heads, stale: true }
      await refuses(mine, /Denied: The host does not know the present state/)
    },
  },
]

/** All of them, in the order of ATTACKS.md. */
export const outsideMoves: OutsideMove[] = [
  ...otherActs,
  ...certificates,
  {
    id: 'relayed-link',
    move: 'a relayed link: the holder signs elsewhere, the asker presses Enter and guesses three times',
    async play(stage) {
      const asked = await ask(stage)
      await signed(stage, asked.code)
      asked.terminal.type('\r')
      await asked.terminal.expect(/3 tries left\): $/)
      for (const left of [2, 1]) {
        asked.terminal.type('0000-0000\r')
        await asked.terminal.expect(new RegExp(`${left} tr(y|ies) left\\): $`))
      }
      asked.terminal.type('1111-1111\r')
      await ends(asked, /Denied: Three wrong reply codes/)
    },
  },
  ...fixations,
  {
    id: 'replay-after-success',
    move: 'the signature of a login that succeeded, brought to another terminal',
    async play(stage) {
      await bringsToTerminal(stage, await opensToHolder(stage))
    },
  },
  {
    id: 'replay-after-reinstall',
    move: 'that signature after a reinstall; and the guest of the former generation',
    async play(stage) {
      const former = await readFile(join(stage.stand.config, 'guest.json'), 'utf8')
      const formerSecret = await readFile(join(stage.stand.config, 'secret'), 'utf8')
      const signature = await opensToHolder(stage)
      await stage.honest.reset(2)
      await stage.stand.setFacts(JSON.parse(former), formerSecret)
      const old = new Terminal(stage.stand.port, { command: ['echo in as $(id -un)'] })
      await ends({ terminal: old, code: '' }, /Denied: This VM is not known here\./)
      await stage.honest.reset(2)
      await opensToHolder(stage)
      await bringsToTerminal(stage, signature)
    },
  },
]
