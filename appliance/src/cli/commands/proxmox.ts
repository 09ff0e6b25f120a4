import { isIPv6 } from 'node:net'
import type { Command } from 'commander'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { fingerprintOf, peekCertificate } from '../../hypervisor/proxmox/pinned-tls.ts'
import { parseEndpoint } from '../../hypervisor/proxmox/endpoint.ts'
import { enrolOnce, parsePrivilegedToken } from '../../hypervisor/proxmox/enrol/enrol-once.ts'
import { requireFirewall, seenAtEnrolment } from '../../hypervisor/proxmox/enrol/kept-token.ts'
import { requireRights, verifyToken, type RightsReport } from '../../hypervisor/proxmox/enrol/verify.ts'
import { readInstallation } from '../../hypervisor/proxmox/import/read-installation.ts'
import { openClient } from '../../hypervisor/proxmox/open-client.ts'
import { explained } from '../../hypervisor/proxmox/server.ts'
import { placesOf, readTokenSecret, waysOf, type ProxmoxAnswer } from '../../hypervisor/proxmox/settings.ts'
import { loadConfig } from '../../config/load.ts'
import type { CliContext } from '../context.ts'
import { printJson, printTable, say } from '../output.ts'
import { askTerminal } from '../terminal.ts'

type Make = (command: Command) => CliContext

async function answerOf(file: string): Promise<ProxmoxAnswer> {
  const { hypervisor } = await loadConfig(file)
  if (hypervisor.kind === 'proxmox') return hypervisor
  throw new AppError({
    code: 'bad-input',
    detail: `The hypervisor in this file is ${hypervisor.kind}.`,
    fields: [{ pointer: '/hypervisor/kind', detail: 'It must be proxmox.' }],
  })
}

/** The privileged credential, asked for once and kept nowhere: `user@realm!name=secret`. */
async function privilegedToken(file: string | undefined): Promise<{ id: string; secret: string }> {
  const text =
    file === undefined
      ? await askTerminal('Privileged token, user@realm!name=secret: ', {
          hidden: true,
          withoutTerminal: 'Give it in a file of mode 0600: --privileged-token-file FILE',
        })
      : await readTokenSecret(file)
  return parsePrivilegedToken(text)
}

/** What `verify` prints, and whether anything is missing. */
function tell(report: RightsReport): void {
  if (report.missing.length + report.excess.length === 0) return say('The token has what it needs, and nothing beyond.')
  printTable([
    ['', 'PRIVILEGE', 'ON'],
    ...report.missing.map(({ path, privilege }) => ['missing', privilege, path]),
    ...report.excess.map(({ path, privilege }) => ['not needed', privilege, path]),
  ])
}

/** Verbs of the operator for a Proxmox VE server: enrol, verify, fingerprint; and import, which looks at another installation. */
export function registerProxmoxCommands(program: Command, make: Make): void {
  program
    .command('import')
    .argument('<folder>', 'where etc and var of the other host lie; / on that host itself')
    .description('show what of an existing Blockhost installation would be adopted; changes nothing')
    .action(async (folder: string, _, command: Command) => {
      const plan = await readInstallation(folder)
      if (make(command).options.json) return printJson(plan)
      printTable([
        ['VM', 'ID', 'OWNER', 'EXPIRES', 'WOULD BE', 'BECAUSE'],
        ...plan.vms.map((vm) => [
          vm.name,
          String(vm.vmid ?? '-'),
          vm.owner ?? '-',
          vm.expiresAt ?? '-',
          vm.verdict === 'adopt' ? 'adopted' : 'left',
          vm.because,
        ]),
      ])
      const about = [
        ['list', plan.list],
        ['provisioner', plan.provisioner],
        ['operator', plan.admin],
        ['chain', plan.chainId?.toString()],
        ['contract', plan.contract],
        ['storage', plan.storage],
        ['bridge', plan.bridge],
        ['IPv6', plan.prefix],
      ].filter((row): row is [string, string] => row[1] !== undefined)
      for (const [name, value] of about) say(`${name}: ${value}`)
      for (const note of plan.notes) say(note)
      say('Nothing was changed: this is what would be done.')
    })

  const group = program.command('proxmox').description('a Proxmox VE server or cluster as hypervisor')

  group
    .command('fingerprint')
    .argument('<address>', 'https://node:8006')
    .description('show the certificate that a node shows, to be compared on the node itself; sends nothing')
    .action(async (address: string, _, command: Command) => {
      const endpoint = parseEndpoint(address)
      const certificate = await peekCertificate(endpoint, '')
      const shown = {
        // with the port, also where none was given
        address: `${isIPv6(endpoint.host) ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`,
        fingerprint: fingerprintOf(certificate),
        names: certificate.subjectAltName ?? '',
        validTo: certificate.validTo,
      }
      if (make(command).options.json) return printJson(shown)
      printTable(Object.entries(shown))
    })

  group
    .command('enrol')
    .argument('<file>', 'an answer file whose hypervisor is proxmox')
    .option('--dry-run', 'show the plan and change nothing')
    .option('--privileged-token-file <file>', 'file of mode 0600 with user@realm!name=secret of a token that may do everything')
    .option('--media-folder <folder>', 'folder on the nodes for seeds and images', '/var/lib/freehold-media')
    .option(
      '--operator-network <network...>',
      'where you reach the nodes from; kept open when the datacenter firewall goes on',
      [],
    )
    .description('make role, user, pool, storage, token and rights with a privileged token, once; may be repeated')
    .action(
      async (
        file: string,
        own: { dryRun?: boolean; privilegedTokenFile?: string; mediaFolder: string; operatorNetwork: string[] },
        command: Command,
      ) => {
        const context = make(command)
        const answer = await answerOf(file)
        const token = await privilegedToken(own.privilegedTokenFile)
        const given = {
          privileged: token,
          operatorNetworks: own.operatorNetwork,
          mediaFolder: own.mediaFolder,
          clock: systemClock,
        }
        const { plan, made } = await enrolOnce(
          answer,
          given,
          ({ steps }) => {
            // before anything is changed: whoever reads along can still stop it
            if (!context.options.json) printTable([['STATE', 'STEP'], ...steps.map((s) => [s.done ? 'done' : 'to do', s.what])])
            return own.dryRun !== true
          },
          (what) => say(`… ${what}`),
        )
        if (made === undefined) {
          if (!context.options.json) return
          return printJson({ nodes: plan.nodes, steps: plan.steps.map(({ what, done }) => ({ what, done })) })
        }
        if (context.options.json) return printJson({ enrolled: true, token: made.id })
        say(
          `Enrolled as ${made.id}; its secret is in the file that the answer file names. The privileged token was kept nowhere.`,
        )
      },
    )

  group
    .command('verify')
    .argument('<file>', 'an answer file whose hypervisor is proxmox')
    .description('name each privilege that the token lacks or has beyond its need; changes nothing')
    .action(async (file: string, _, command: Command) => {
      const context = make(command)
      const answer = await answerOf(file)
      const secret = await readTokenSecret(answer.tokenFile)
      const { zone } = await seenAtEnrolment(answer.tokenFile, answer.token)
      const client = openClient(await waysOf(answer), { id: answer.token, secret }, systemClock)
      try {
        const report = await explained('read the rights of the token', () => verifyToken(client, { ...placesOf(answer), zone }))
        if (context.options.json) printJson(report)
        else tell(report)
        requireRights(report)
        await explained('look at the firewall', () => requireFirewall(client, answer.tokenFile, answer.token))
      } finally {
        client.close()
      }
    })
}
