/**
 * Caddy's configuration in embedded mode: one origin on loopback in front of API and pages; other names redirect to it
 * (design §8). Pure; its test asks `caddy validate`. Caddy replaces `X-Forwarded-For` of strangers by the peer's address.
 * @param options.web what `reverse_proxy` takes: `unix//path` or `127.0.0.1:port`
 */
export function caddyfile(options: { origin: string; apiSocket: string; web: string }): string {
  const { host, port } = new URL(options.origin)
  return `{
	admin off
	auto_https off
}

http://:${port || '80'} {
	bind 127.0.0.1 ::1
	@other not header Host ${host}
	redir @other ${options.origin}{uri} 308
	handle /v1/* {
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
