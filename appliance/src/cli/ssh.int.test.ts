import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import getPort from 'get-port'
import { spawn as terminal } from '@lydell/node-pty'
import { encryptKeystoreJsonSync } from 'ethers'
import { seedFacts } from '../../../pam-web3/tests/guest-files.ts'
import { ended, createStand, until, type Stand } from '../../../pam-web3/tests/stand.ts'
import { openFront, type Front } from '../api/test-front.ts'
import { apiStand, approvalOf, type ApiStand } from '../api/test-stand.ts'
import type { LoginRequestView } from '../api/schemas/sign-in.ts'
import { certificateConfig } from '../dev/certificate-login.ts'
import { issueCertificate } from '../sign-in/certificates/issue.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../sign-in/guest-endpoint.ts'
import { parseHostKey } from '../sign-in/host-key.ts'
import { loadOrCreateSecrets } from '../sign-in/secrets.ts'
import { holder, otherWallet, testInstallation } from '../sign-in/test-stand.ts'

// All real ends: the command, the API, the guests' endpoint, sshd with the module; only the chain is a twin. sftp, rsync, -J, -L and three tools at once
// run with FREEHOLD_ALL=1: they go the same way as scp and git do.
const all = process.env['FREEHOLD_ALL'] === '1'
const freehold = resolve(import.meta.dirname, 'freehold.ts')
const vmId = `${testInstallation}-42`
const passphrase = 'four words of mine'

interface Ran {
  code: number | null
  out: string
  err: string
}

suite('SSH by certificate', () => {
  let sshd: Stand
  let host: ApiStand
  let front: Front
  let guests: GuestEndpoint
  let folder = ''
  let config = ''
  let keystore: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-ssh-'))
    // the command starts half a hundred times here, with nothing to compile but at the first
    process.env['NODE_COMPILE_CACHE'] = join(folder, 'compiled')
    sshd = await createStand()
    front = await openFront()
    host = await apiStand('embedded', 'public', front.origin)
    front.behind(host.socketPath)
    // the CA that this sshd trusts is the host's: put there before the host makes one of its own
    const secretsFolder = join(folder, 'secrets')
    await mkdir(secretsFolder, { mode: 0o700 })
    await writeFile(join(secretsFolder, 'user-ca'), await readFile(sshd.userCa), { mode: 0o600 })
    const secrets = await loadOrCreateSecrets(secretsFolder)
    host.apiPorts.certify = (options) => issueCertificate({ ...options, userCaPath: secrets.userCaPath })
    guests = createGuestEndpoint({
      ...host.ports,
      signIn: host.signIn,
      master: secrets.master,
      login: secrets.login,
      onReport: () => Promise.resolve(),
    })
    await seedFacts(sshd, secrets, await guests.listen('127.0.0.1:0'))
    keystore = await keystoreOf(holder.privateKey, 'holder')
    config = await certificateConfig({ host: front.origin, vmId, wallet: keystore, folder })
  })
  beforeEach(async () => {
    front.address = '127.0.0.1'
    host.chain.heads = { ...host.chain.heads, stale: false }
    host.chain.set({})
    await vm()
  })
  after(async () => {
    await guests?.close()
    await sshd?.stop()
    await host?.close()
    await front?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function vm(generation = 1): Promise<void> {
    await host.putVm({ sshPort: sshd.port, generation })
    const hostKey = parseHostKey(sshd.hostKey)
    assert.ok(hostKey)
    await host.store.vms.mark({ installation: testInstallation, tokenId: 42n }, { hostKey })
    await host.refresh()
  }
  async function keystoreOf(privateKey: string, name: string): Promise<string[]> {
    const [file, secret] = [join(folder, `${name}.json`), join(folder, `${name}.passphrase`)]
    const address = name === 'holder' ? holder.address : otherWallet.address
    await writeFile(file, encryptKeystoreJsonSync({ address, privateKey }, passphrase, { scrypt: { N: 1024 } }))
    await writeFile(secret, passphrase, { mode: 0o600 })
    return ['--keystore', file, '--passphrase-file', secret]
  }
  /** Without a terminal, as a job runs. */
  async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const child = spawn('setsid', ['-w', program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 40_000,
      cwd: folder,
      env: { ...process.env, HOME: folder, ...env },
    })
    const ran: Ran = { code: null, out: '', err: '' }
    child.stdout.on('data', (data: Buffer) => (ran.out += data.toString()))
    child.stderr.on('data', (data: Buffer) => (ran.err += data.toString()))
    await ended(child)
    return { ...ran, code: child.exitCode }
  }
  const command = (args: readonly string[], wallet = keystore, keys = 'keys') => {
    const [verb = '', ...rest] = args
    return run(process.execPath, [freehold, '--host', front.origin, ...wallet, verb, '--keys', join(folder, keys), ...rest])
  }
  const forget = (keys = 'keys') => rm(join(folder, keys), { recursive: true, force: true })
  async function signatures(): Promise<number> {
    const { items } = await host.store.audit.list({ target: vmId, limit: 200 })
    return items.filter((a) => a.what === 'ssh-certificate').length
  }
  function worked({ code, err, out }: Ran): void {
    assert.equal(code, 0, `${err}\n${out}\n${sshd.log().slice(-1500)}`)
  }

  test('denies a wallet that does not hold the pass: no certificate, no key left, no connection', async () => {
    const logged = sshd.log().length
    const ran = await command(['ssh', vmId, '--', 'echo', 'in'], await keystoreOf(otherWallet.privateKey, 'other'), 'denied')
    assert.equal(ran.code, 4, ran.err)
    assert.match(ran.err, /The access pass is held by[\s\S]*wrong-wallet/)
    assert.equal(ran.out, '')
    await assert.rejects(stat(join(folder, 'denied', vmId)))
    assert.doesNotMatch(sshd.log().slice(logged), /Connection from/)
  })
  test('denies an unattended job without a passphrase, and asks nobody', async () => {
    const ran = await command(['ssh', vmId, '--', 'true'], keystore.slice(0, 2), 'nobody')
    assert.equal(ran.code, 2)
    assert.match(ran.err, /no terminal to ask at/)
  })
  test('denies a certificate of this VM after the transfer, although it has not ended', async () => {
    await forget()
    worked(await command(['ssh', vmId, '--', 'echo in']))
    host.chain.set({ holder: otherWallet.address.toLowerCase() as `0x${string}` })
    const logged = sshd.log().length
    const ran = await command(['ssh', vmId, '--', 'echo in'])
    assert.equal(ran.code, 255, ran.err)
    assert.equal(ran.out, '')
    await until(() => /Access denied|login denied/.test(sshd.log().slice(logged)), 'sshd to log the denial')
  })
  // at the same sshd by attacks.int.test.ts; what the command adds is how it tells it
  if (all)
    test('denies it after the end, and while the chain is stale', async () => {
      for (const change of [
        () => host.chain.set({ state: 'ended' }),
        () => void (host.chain.heads = { ...host.chain.heads, stale: true }),
      ]) {
        host.chain.heads = { ...host.chain.heads, stale: false }
        host.chain.set({})
        worked(await command(['ssh-certificate', vmId]))
        change()
        const ran = await command(['ssh', vmId, '--', 'echo in'])
        assert.deepEqual([ran.code, ran.out], [255, ''], ran.err)
      }
    })
  // at the same sshd by attacks.int.test.ts; what the command adds is how it tells it
  if (all)
    test('denies a certificate of another VM or generation', async () => {
      await forget()
      worked(await command(['ssh-certificate', vmId]))
      // the same key and host, the certificate of the next generation
      await forget('next')
      await vm(2)
      worked(await command(['ssh-certificate', vmId], keystore, 'next'))
      const ran = await command(['ssh', vmId, '--', 'echo in'], keystore, 'next')
      assert.deepEqual([ran.code, ran.out], [255, ''], ran.err)
      assert.match(ran.err, /Permission denied \(publickey/)
    })
  test('L10 denies another host key than the one that was signed for, without a question', async () => {
    await forget()
    worked(await command(['ssh-certificate', vmId]))
    const file = join(folder, 'keys', vmId, 'known_hosts')
    const other = 'AAAAC3NzaC1lZDI1NTE5AAAAIIjZDvSzcpW0S7rN0q4pDpJbqkRyWFtGoHyAm6IkxFRA'
    await writeFile(file, `${vmId} ssh-ed25519 ${other}\n`)
    const ran = await command(['ssh', vmId, '--', 'echo in'])
    assert.deepEqual([ran.code, ran.out], [255, ''])
    assert.match(ran.err, /Host key verification failed/)
    // after a reinstall that is the truth, and what stood opens nothing: the next try asks for what is good now
    assert.match(ran.err, /If the VM was reinstalled, run this again/)
    const before = await signatures()
    worked(await command(['ssh', vmId, '--', 'true']))
    assert.equal((await signatures()) - before, 1)
  })
  test('denies an ssh configuration that words could break out of', async () => {
    for (const wallet of [
      ['--signer', `a'b`, '--address', holder.address],
      ['--keystore', '/tmp/$(id)'],
      ['--keystore', '/tmp/a"b'],
    ]) {
      const ran = await command(['ssh-config', vmId], wallet)
      assert.deepEqual([ran.code, ran.out], [2, ''], ran.err)
    }
  })
  test('denies a folder for keys that others may enter', async () => {
    await mkdir(join(folder, 'open'), { mode: 0o755, recursive: true })
    const ran = await command(['ssh', vmId, '--', 'true'], keystore, 'open')
    assert.notEqual(ran.code, 0)
    assert.match(ran.err, /open to others/)
  })

  test('L9 an unattended job: a command and its exit code, one signature for many connections', async () => {
    await forget()
    const before = await signatures()
    const ran = await command(['ssh', vmId, '--', 'echo in as $(id -un); exit 7'])
    assert.equal(ran.code, 7, ran.err)
    assert.equal(ran.out, 'in as owner\n')
    worked(await command(['ssh', vmId, '--', 'true']))
    assert.equal((await signatures()) - before, 1)
    const { mode } = await stat(join(folder, 'keys', vmId, 'key'))
    assert.equal(mode & 0o777, 0o600)
  })
  if (all) {
    test('L9 three tools at once ask for one signature', async () => {
      await forget()
      const before = await signatures()
      for (const ran of await Promise.all([1, 2, 3].map(() => run('ssh', ['-F', config, vmId, 'true'])))) worked(ran)
      assert.equal((await signatures()) - before, 1)
    })
  }

  test('a certificate that is about to end is renewed, with a fresh key', async () => {
    worked(await command(['ssh-certificate', vmId]))
    const at = join(folder, 'keys', vmId)
    const [key, kept] = await Promise.all([readFile(join(at, 'key.pub'), 'utf8'), readFile(join(at, 'vm.json'), 'utf8')])
    await writeFile(join(at, 'vm.json'), kept.replace(/"validBefore":\d+/, `"validBefore":${Math.floor(Date.now() / 1000) + 30}`))
    worked(await run('ssh', ['-F', config, vmId, 'true']))
    assert.notEqual(await readFile(join(at, 'key.pub'), 'utf8'), key)
  })
  if (all) {
    test('L9 a forwarding (ssh -L) reaches a port of the VM', async () => {
      const server = createServer((socket) => socket.end('went-through')).listen(0, '127.0.0.1')
      await new Promise((done) => server.once('listening', done))
      const local = await getPort({ host: '127.0.0.1' })
      const forward = `127.0.0.1:${local}:127.0.0.1:${(server.address() as AddressInfo).port}`
      const child = spawn(
        process.execPath,
        [freehold, '--host', front.origin, ...keystore, 'ssh', '--keys', join(folder, 'keys'), vmId, '--', '-N', '-L', forward],
        { stdio: 'ignore' },
      )
      try {
        await until(async () => (await textAt(local)) === 'went-through', 'the forwarding')
      } finally {
        child.kill('SIGTERM')
        await ended(child)
        server.close()
      }
    })
  }

  test('L9 T5 a browser signs: address and code are shown, and the certificate comes by itself', async () => {
    await forget('browser')
    const child = spawn(
      process.execPath,
      [freehold, '--host', front.origin, 'ssh', '--keys', join(folder, 'browser'), vmId, '--', 'echo in'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let [out, err] = ['', '']
    child.stdout.on('data', (data: Buffer) => (out += data.toString()))
    child.stderr.on('data', (data: Buffer) => (err += data.toString()))
    await until(() => /good until/.test(err), 'the code')
    const code = /Code (\S+),/.exec(err)?.[1] ?? ''
    assert.ok(err.includes(`${front.origin}/s/${code.replace('-', '')}`), err)
    const page = host.client('127.0.0.1')
    const headers = { origin: front.origin, host: new URL(front.origin).host }
    const view = (await page.call('GET', `/v1/login-requests/${code}`, { headers })).body as unknown as LoginRequestView
    const approved = await page.call('POST', `/v1/login-requests/${code}/approval`, {
      headers,
      body: await approvalOf(view, holder),
    })
    assert.equal(approved.status, 200, approved.text)
    await ended(child)
    assert.deepEqual([child.exitCode, out], [0, 'in\n'], err)
  })

  test('L4 A4 a browser elsewhere: nothing before its reply code was typed here; a wrong one opens nothing', async () => {
    await forget('reply')
    front.address = '203.0.113.7'
    const pty = terminal(
      process.execPath,
      [freehold, '--host', front.origin, 'ssh', '--keys', join(folder, 'reply'), vmId, '--', 'echo in'],
      { cols: 200, rows: 24, name: 'xterm', env: { ...process.env, HOME: folder } as Record<string, string> },
    )
    let screen = ''
    const exited = Promise.withResolvers<number>()
    pty.onData((data) => (screen += data))
    pty.onExit(({ exitCode }) => exited.resolve(exitCode))
    await until(() => /good until/.test(screen), 'the code')
    const code = /Code (\S+),/.exec(screen)?.[1] ?? ''
    const page = host.client('198.51.100.9')
    const headers = { origin: front.origin, host: new URL(front.origin).host }
    const view = (await page.call('GET', `/v1/login-requests/${code}`, { headers })).body as unknown as LoginRequestView
    const body = await approvalOf(view, holder)
    const approved = await page.call('POST', `/v1/login-requests/${code}/approval`, { headers, body })
    assert.equal(approved.body['state'], 'needs-reply', approved.text)
    const asks = () => screen.split('Reply code that the page shows: ').length - 1
    await until(() => asks() === 1, 'the question')
    pty.write('AAAA-AAAA\r')
    await until(() => asks() === 2, 'the question again')
    assert.doesNotMatch(screen, /^in/m)
    pty.write(`${String(approved.body['replyCode']).toLowerCase()}\r`)
    assert.equal(await exited.promise, 0, screen)
    assert.match(screen, /^in\r?$/m)
  })
  test('A4 on a loopback that others share, a terminal that signs by itself still gets session and certificate', async () => {
    let asked = 0
    host.ports.loopbackIsShared = () => (asked += 1) > 0
    try {
      await forget('shared')
      worked(await command(['ssh', vmId, '--', 'true'], keystore, 'shared'))
      const listed = await run(process.execPath, [freehold, '--host', front.origin, '--json', ...keystore, 'vms'])
      worked(listed)
      assert.match(listed.out, new RegExp(vmId))
      assert.ok(asked >= 2, 'neither was direct')
    } finally {
      host.ports.loopbackIsShared = () => false
    }
  })
  test('L9 a signer command signs; the VM may be named by its number', async () => {
    await forget('signer')
    const script = join(folder, 'sign.mjs')
    await writeFile(
      script,
      `import { Wallet } from ${JSON.stringify(import.meta.resolve('ethers'))}
let text = ''
for await (const chunk of process.stdin) text += chunk
console.log(await new Wallet('${holder.privateKey}').signMessage(text))`,
    )
    const signer = ['--signer', `${process.execPath} ${script}`, '--address', holder.address]
    const ran = await command(['ssh', '42', '--', 'echo in'], signer, 'signer')
    assert.deepEqual([ran.code, ran.out], [0, 'in\n'], ran.err)
  })

  const tools: [name: string, always: boolean, work: () => Promise<Ran>, seen: () => Promise<string>][] = [
    [
      'scp',
      true,
      () => run('scp', ['-q', '-F', config, join(folder, 'file'), `${vmId}:/tmp/fh-tool-scp`]),
      async () => (await run('ssh', ['-F', config, vmId, 'cat /tmp/fh-tool-scp; rm /tmp/fh-tool-scp'])).out,
    ],
    [
      'git',
      true,
      async () => {
        worked(await run('ssh', ['-F', config, vmId, 'git init -q --bare /tmp/fh-tool.git']))
        const git = (...args: string[]) =>
          run('git', ['-c', 'user.name=o', '-c', 'user.email=o@example.org', '-C', join(folder, 'work'), ...args], {
            GIT_SSH_COMMAND: `ssh -F ${config}`,
          })
        await mkdir(join(folder, 'work'))
        await writeFile(join(folder, 'work', 'file'), 'through')
        for (const args of [
          ['init', '-q'],
          ['add', 'file'],
          ['commit', '-q', '-m', 'one'],
        ])
          worked(await git(...args))
        return await git('push', '-q', `${vmId}:/tmp/fh-tool.git`, 'HEAD:refs/heads/main')
      },
      async () => (await run('ssh', ['-F', config, vmId, 'git -C /tmp/fh-tool.git show main:file; rm -r /tmp/fh-tool.git'])).out,
    ],
    [
      'sftp',
      all,
      async () => {
        await writeFile(join(folder, 'batch'), `put ${join(folder, 'file')} /tmp/fh-tool-sftp\n`)
        return await run('sftp', ['-q', '-F', config, '-b', join(folder, 'batch'), vmId])
      },
      async () => (await run('ssh', ['-F', config, vmId, 'cat /tmp/fh-tool-sftp; rm /tmp/fh-tool-sftp'])).out,
    ],
    [
      'rsync',
      all,
      () => run('rsync', ['-e', `ssh -F ${config}`, join(folder, 'file'), `${vmId}:/tmp/fh-tool-rsync`]),
      async () => (await run('ssh', ['-F', config, vmId, 'cat /tmp/fh-tool-rsync; rm /tmp/fh-tool-rsync'])).out,
    ],
    [
      'ssh -J',
      all,
      // through the VM to its own sshd, as the next host behind it
      async () => {
        const inner = join(folder, 'inner')
        const block = (await readFile(config, 'utf8'))
          .replace(/^Match .*$/m, '')
          .replace(/^ {2}ProxyCommand .*$/m, `  HostName 127.0.0.1\n  Port ${sshd.port}`)
        await writeFile(inner, `${await readFile(config, 'utf8')}\n${block.replace(`Host ${vmId}`, 'Host behind')}`)
        return await run('ssh', ['-F', inner, '-J', vmId, 'behind', 'echo through > /tmp/fh-tool-jump'])
      },
      async () => (await run('ssh', ['-F', config, vmId, 'cat /tmp/fh-tool-jump; rm /tmp/fh-tool-jump'])).out.trim(),
    ],
  ]
  for (const [name, isDefault, work, seen] of tools) {
    if (!isDefault) continue
    test(`L9 ${name} through the configuration that freehold prints, without a terminal`, async () => {
      await writeFile(join(folder, 'file'), 'through')
      worked(await work())
      assert.equal(await seen(), 'through')
    })
  }
})

/** What a port says; empty if nothing answers. */
function textAt(port: number): Promise<string> {
  const { promise, resolve: done } = Promise.withResolvers<string>()
  let text = ''
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('data', (data) => (text += data.toString()))
  socket.on('error', () => done(''))
  socket.on('close', () => done(text))
  return promise
}
