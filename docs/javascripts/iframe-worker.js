// Search looks things up in a web worker, which browsers refuse to pages that are opened from disk. There a hidden frame
// does the worker's work, on the same script and with the same messages.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source !== inside) return;
        const message = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(message);
        if (this.onmessage) this.onmessage(message);
      });
      inside.document.open();
      inside.document.write(
        "<script>" +
          "window.postMessage = (data) => parent.postMessage(data, '*');" +
          "window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {" +
          "  const script = document.createElement('script');" +
          "  script.src = url; script.onload = done; document.body.appendChild(script);" +
          "})), Promise.resolve());" +
          "</scr" + "ipt><body><script src='" + url + "'></scr" + "ipt></body>"
      );
      inside.document.close();
      this.ready = new Promise((resolve) => (inside.onload = resolve)); // Opening a document forgets its listeners.
    }

    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
