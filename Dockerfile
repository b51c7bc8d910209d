# Kneepoint's commands as an image: by default the mocks, without k6.
#
# Pinned by tag. Where yours must be the same bytes every time, give the digest:
#   docker build --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:… .
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Not npm ci: it refuses a lock file without the binaries of platforms that a registry mirror lacks.
# The lock file still decides every version. No package's scripts run.
RUN npm install --no-save --no-audit --no-fund --ignore-scripts --include=dev
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS packages
WORKDIR /packages
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund --ignore-scripts --omit=dev --omit=optional

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title=kneepoint org.opencontainers.image.licenses=MIT
WORKDIR /app
ENV NODE_ENV=production
COPY --from=packages /packages/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json ./
# Where the mocks leave their addresses and their token: a volume there gets this owner.
RUN mkdir /run/kneepoint && chown 10001:10001 /run/kneepoint
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 4610 4611 4612 4633
# The admin port answers this without its token. It opens last.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4612/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/cli.js"]
# All addresses of the container; its host decides what is published.
CMD ["mocks", "--host", "0.0.0.0"]
