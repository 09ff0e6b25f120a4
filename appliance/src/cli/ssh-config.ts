import { AppError } from '../errors/app-error.ts'
import type { GlobalOptions } from './context.ts'
import { keyFilesOf } from './key-folder.ts'

/**
 * What every connection is held to, by name: `freehold ssh` gives it as arguments, `freehold ssh-config` prints it. Never a
 * prompt: the host key is known from the signed sign-in, anything else is refused (L10). No agent and no other key is offered.
 */
export function sshOptions(keys: string, vmId: string): [name: string, value: string][] {
  const files = keyFilesOf(keys, vmId)
  return [
    ['User', 'owner'],
    ['IdentityFile', quoted(files.key)],
    ['CertificateFile', quoted(files.certificate)],
    ['IdentitiesOnly', 'yes'],
    ['IdentityAgent', 'none'],
    ['PreferredAuthentications', 'publickey'],
    ['HostKeyAlias', vmId],
    ['KnownHostsCommand', `/bin/cat ${quoted(files.knownHosts)}`],
    ['UserKnownHostsFile', '/dev/null'],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', 'yes'],
    ['UpdateHostKeys', 'no'],
    // a connection that the host has cut is noticed while nobody types; a VM that is paused for a snapshot loses nobody
    ['ServerAliveInterval', '15'],
    ['ServerAliveCountMax', '8'],
  ]
}

/**
 * The block for `~/.ssh/config`, for VMs named one by one: a pattern would have to hand the name that `ssh` was called with to a
 * shell (`Match exec`, `ProxyCommand`), and before OpenSSH 9.6 such a name could hold shell code (CVE-2023-51385).
 * `command` is how this program was called. Throws `bad-input` for words that no quoting carries through ssh_config and shell.
 */
export function sshConfig(command: readonly string[], options: GlobalOptions, keys: string, vmIds: readonly string[]): string {
  const called = [...command, ...optionWords(options)].map(shellWord)
  const verb = (name: string, vmId: string) => [...called, name, '--keys', shellWord(keys), vmId].join(' ')
  return vmIds
    .map((vmId) =>
      [
        // evaluated before ssh reads keys and certificates: by the time it does, they are there
        `Match originalhost ${vmId} exec "${verb('ssh-certificate', vmId)}"`,
        `Host ${vmId}`,
        `  ProxyCommand ${verb('ssh-proxy', vmId)}`,
        ...sshOptions(keys, vmId).map(([name, value]) => `  ${name} ${value}`),
        '',
      ].join('\n'),
    )
    .join('\n')
}

/** The options that decide who signs and where, as words again. */
function optionWords(options: GlobalOptions): string[] {
  const pairs: [string, string | undefined][] = [
    ['--host', options.host],
    ['--keystore', options.keystore],
    ['--passphrase-file', options.passphraseFile],
    ['--signer', options.signer],
    ['--address', options.address],
    ['--dev-wallet', options.devWallet],
  ]
  return pairs.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
}

function shellWord(word: string): string {
  if (/^[A-Za-z0-9_@:,./+=-]+$/.test(word)) return word
  mustCarry(word, /["'%\\\n\r`$!]/)
  return `'${word}'`
}

function quoted(path: string): string {
  mustCarry(path, /["%\\\n\r$]/)
  return `"${path}"`
}

function mustCarry(word: string, forbidden: RegExp): void {
  if (word !== '' && !forbidden.test(word) && !/[\x00-\x1f\x7f]/.test(word)) return
  throw new AppError({
    code: 'bad-input',
    detail: `"${word.replaceAll(/[^\x20-\x7e]/g, '?')}" cannot stand in an ssh configuration.`,
    hint: 'Use a name without quotes, percent and dollar signs, backslashes; put a longer signer command into a script.',
  })
}
