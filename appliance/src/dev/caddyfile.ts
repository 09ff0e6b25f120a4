/**
 * Caddy's configuration in embedded mode: one origin on loopback in front of API and pages; other names redirect to it
 * (design §8). Pure; its test asks `caddy validate`. Caddy replaces `X-Forwarded-For` of strangers by the peer's address.
 * @param options.wasm name of WASM hosting as `host:port`, and where freehold-wasmd listens; absent: it is off
 * @param options.web what `reverse_proxy` takes: `unix//path` or `127.0.0.1:port`
 */
export function caddyfile(options: {
  origin: string
  apiSocket: string
  web: string
  wasm?: { host: string; upstream: string }
}): string {
  const { host, port } = new URL(options.origin)
  const { wasm } = options
  const others = [host, ...(wasm === undefined ? [] : [wasm.host])].map((name) => `\t\tnot header Host ${name}`).join('\n')
  const wasmSite =
    wasm === undefined
      ? ''
      : `\t@wasm header Host ${wasm.host}
	handle @wasm {
		reverse_proxy ${wasm.upstream}
	}
`
  return `{
	admin off
	auto_https off
}

http://:${port || '80'} {
	bind 127.0.0.1 ::1
	@other {
${others}
	}
	redir @other ${options.origin}{uri} 308
${wasmSite}	handle /v1/* {
		reverse_proxy unix/${options.apiSocket} {
			flush_interval -1
		}
	}
	handle {
		reverse_proxy ${options.web}
	}
}
`
}
