// A site's own page with an unmodified player: ?engine=hls.js|shaka|native&src=URL.
//
// `window.told` is what the page learned from a refused request; `window.captions()` says how many
// cues the player loaded.
const query = new URLSearchParams(location.search);
const src = query.get('src');
const video = document.querySelector('video');
document.querySelector('#engine').textContent = `${query.get('engine')}: ${new URL(src).pathname.split('/').pop()}`;

window.captions = () => [...video.textTracks].reduce((count, track) => count + (track.cues?.length ?? 0), 0);

function deny(status, body, header) {
  const { code, message } = JSON.parse(body);
  window.told = { status, code, header };
  const shown = document.createElement('code');
  shown.textContent = `${status} ${code}`;
  document.querySelector('#denial').replaceChildren(shown, document.createElement('br'), message);
}

const engines = {
  'hls.js': () => {
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, { fatal, response, networkDetails }) => {
      if (fatal) deny(response.code, networkDetails.responseText, networkDetails.getResponseHeader('X-Vidpass-Denial'));
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
    hls.loadSource(src);
    hls.attachMedia(video);
  },

  shaka: async () => {
    const player = new shaka.Player();
    await player.attach(video);
    try {
      await player.load(src);
      player.selectTextTrack(player.getTextTracks()[0]);
      await video.play();
    } catch (error) {
      if (error.code !== shaka.util.Error.Code.BAD_HTTP_STATUS) throw error;
      const [, status, body, headers] = error.data;
      deny(status, body, headers['x-vidpass-denial']);
    }
  },

  // A <video> element cannot say why it was refused, so the page asks once more.
  native: () => {
    video.addEventListener('error', async () => {
      const response = await fetch(src);
      deny(response.status, await response.text(), response.headers.get('X-Vidpass-Denial'));
    });
    video.src = src;
    video.play().catch(() => {});
  },
};

await engines[query.get('engine')]();
