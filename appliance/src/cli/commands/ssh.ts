import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { installationId, parseVmId } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { certificateFor } from '../certificate.ts'
import { unreachable } from '../client.ts'
import type { CliContext } from '../context.ts'
import { currentCertificate, defaultKeysFolder, putAside } from '../key-folder.ts'
import { ExitCode, printJson, say } from '../output.ts'
import { relay } from '../relay.ts'
import { sshConfig, sshOptions } from '../ssh-config.ts'

type Make = (command: Command) => CliContext

/** Verbs for SSH by certificate: `ssh`, and what stock tools are pointed at. */
export function registerSshCommands(program: Command, make: Make): void {
  const keysOption = ['--keys <folder>', 'where keys and certificates lie, 0700', defaultKeysFolder()] as const

  program
    .command('ssh')
    .argument('<vm>', 'VM id, or its number')
    .argument('[arguments...]', 'after --: more for ssh, such as -L 8080:localhost:80, or a command')
    .option(...keysOption)
    .description('open a shell, a command or a forwarding by certificate, under one signature')
    .action(async (vm: string, more: string[], { keys }: { keys: string }, command: Command) => {
      const context = make(command)
      const vmId = await vmIdFrom(context, vm)
      const folder = resolve(keys)
      const stood = (await currentCertificate(folder, vmId)) !== undefined
      const { ssh } = await certificateFor(context, vmId, folder)
      const options = sshOptions(folder, vmId).flatMap(([name, value]) => ['-o', `${name}=${value}`])
      // the address comes from the host: never a word that ssh could take for an option
      const target = ['-o', `HostName=${ssh.host}`, '-p', String(ssh.port)]
      const code = await runSsh([...options, ...target, vmId, ...more])
      // ssh's own failure: since that certificate was made the VM may have got another host key and generation
      if (code === 255 && stood) {
        await putAside(folder, vmId)
        say('If the VM was reinstalled, run this again: the next try signs a new certificate.')
      }
      throw new ExitCode(code)
    })

  program
    .command('ssh-certificate')
    .argument('<vm>', 'VM id, or its number')
    .option(...keysOption)
    .description('see that a certificate stands, under one signature if none does; what ssh-config has ssh call')
    .action(async (vm: string, { keys }: { keys: string }, command: Command) => {
      const context = make(command)
      const made = await certificateFor(context, await vmIdFrom(context, vm), resolve(keys))
      if (context.options.json) printJson(made)
    })

  program
    .command('ssh-proxy')
    .argument('<vm>', 'VM id, or its number')
    .option(...keysOption)
    .description('connect standard input and output with the SSH port of the VM: a ProxyCommand')
    .action(async (vm: string, { keys }: { keys: string }, command: Command) => {
      const context = make(command)
      const { ssh } = await certificateFor(context, await vmIdFrom(context, vm), resolve(keys))
      if (await relay(ssh.host, ssh.port)) return
      throw unreachable(`${ssh.host} port ${ssh.port}`, 'The VM does not answer', 'See its state: freehold vms')
    })

  program
    .command('ssh-config')
    .argument('<vm...>', 'VM ids, or their numbers')
    .option(...keysOption)
    .description('print what ~/.ssh/config needs, for scp, sftp, rsync, git and ssh -J')
    .action(async (vms: string[], { keys }: { keys: string }, command: Command) => {
      const context = make(command)
      const vmIds: string[] = []
      for (const vm of vms) vmIds.push(await vmIdFrom(context, vm))
      const { keystore, passphraseFile } = context.options
      const options = {
        ...context.options,
        // ssh calls from wherever it stands
        ...(keystore !== undefined && { keystore: resolve(keystore) }),
        ...(passphraseFile !== undefined && { passphraseFile: resolve(passphraseFile) }),
      }
      process.stdout.write(sshConfig(ownCommand(), options, resolve(keys), vmIds))
    })
}

/** `<installation>-<number>`, or the number alone: then of the contract that the host sells by now. Throws `bad-input`. */
async function vmIdFrom(context: CliContext, text: string): Promise<string> {
  if (parseVmId(text) !== undefined) return text
  const number = /^(?:vm-)?(0|[1-9][0-9]{0,77})$/.exec(text)?.[1]
  if (number === undefined) {
    throw new AppError({ code: 'bad-input', detail: `"${text}" is no VM.`, hint: 'Give its id or number: freehold vms' })
  }
  const { chain, contracts } = await context.status()
  const [first] = contracts
  if (first === undefined) throw new AppError({ code: 'vm-unknown', detail: 'This host serves no contract yet.' })
  return `${installationId(chain.chainId, first.address)}-${number}`
}

/** How this very program is called. */
function ownCommand(): string[] {
  return [process.execPath, realpathSync(process.argv[1] ?? '')]
}

/** ssh in the place of this process: terminal, signals and exit code are its own. */
async function runSsh(args: readonly string[]): Promise<number> {
  const child = spawn('ssh', args, { stdio: 'inherit', cwd: process.cwd(), env: { HOME: homedir(), ...process.env } })
  const { promise, resolve: done, reject } = Promise.withResolvers<number>()
  // the terminal sends these to both; ssh decides what they mean
  const ignore = (): void => undefined
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore)
  const end = (): void => void child.kill('SIGTERM')
  process.once('SIGTERM', end)
  child.on('error', (cause) =>
    reject(new AppError({ code: 'tool-missing', detail: 'ssh cannot be started.', hint: 'Install the OpenSSH client.', cause })),
  )
  child.on('close', (code) => done(code ?? 255))
  try {
    return await promise
  } finally {
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, ignore)
    process.off('SIGTERM', end)
  }
}
