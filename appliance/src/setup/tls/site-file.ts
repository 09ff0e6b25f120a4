/** A certificate and its key, as files that Caddy reads. */
export interface CertificateFiles {
  certificate: string
  key: string
}

export interface SiteFileOptions {
  /** The public origin; absent while the host is not set up. */
  origin?: string
  apiSocket: string
  /** What `reverse_proxy` takes. */
  web: string
  firstBoot: CertificateFiles
  /** Of the origin's name, once there is one. */
  site?: CertificateFiles
  /** Setup has ended: pages are at the origin alone. Before that the address of the machine is the only way in. */
  setUp?: boolean
  /** Folder in which answers to ACME challenges lie, as files named by their tokens. */
  challenges: string
  /** Folder with `root.pem` of the host's own authority, for people to install; served as `/authority/root.pem`. */
  authority: string
  /** WASM hosting: the name that callers use, and where freehold-wasmd listens; absent: it is off. */
  wasm?: { name: string; upstream: string }
  httpPort?: number
  httpsPort?: number
}

/**
 * Caddy's configuration on an installed host: pages and API by TLS under every address of the machine, port 80 for redirects
 * and for proving the name to an ACME authority, nothing else. Who comes by an address that the first certificate does not
 * name, such as one that is being tried, gets that certificate nevertheless (`default_sni`): its fingerprint is what counts
 * then. Once set up, other names lead to the origin. No HTTP/3: its port is not open. Pure; its test asks Caddy itself.
 */
export function siteFile(options: SiteFileOptions): string {
  const { origin, apiSocket, web, firstBoot, site, challenges, authority, httpPort = 80, httpsPort = 443 } = options
  const root = `	handle_path /authority/* {
		root * ${authority}
		file_server
	}
`
  const proxy = `${root}	handle /v1/* {
		reverse_proxy unix/${apiSocket} {
			flush_interval -1
		}
	}
	handle {
		reverse_proxy ${web}
	}`
  const tls = (files: CertificateFiles): string => `	tls ${files.certificate} ${files.key}`
  const name = origin === undefined ? undefined : new URL(origin).hostname
  const own = name === undefined || site === undefined ? '' : `https://${name} {\n${tls(site)}\n${proxy}\n}\n\n`
  // its callers are programs, and TLS ends here as for the pages; what they send is sealed for the service itself
  const programs =
    options.wasm === undefined
      ? ''
      : `https://${options.wasm.name} {\n${tls(site ?? firstBoot)}\n\treverse_proxy ${options.wasm.upstream}\n}\n\n`
  // the API answers there still, and says where the host is now: the page that set it up is open at this address, and offers the
  // root of the host's own authority, without which nobody gets to the name
  const elsewhere =
    own === '' || options.setUp !== true
      ? proxy
      : `${root}	handle /v1/* {
		reverse_proxy unix/${apiSocket}
	}
	handle {
		redir ${origin ?? ''}{uri} 308
	}`
  return `{
	admin off
	auto_https off
	default_sni localhost
	http_port ${httpPort}
	https_port ${httpsPort}
	servers {
		protocols h1 h2
	}
}

http:// {
	handle_path /.well-known/acme-challenge/* {
		root * ${challenges}
		file_server
	}
	handle {
		redir https://{host}{uri} 308
	}
}

${own}${programs}https:// {
${tls(firstBoot)}
${elsewhere}
}
`
}
