// Render the OpenAPI document with Swagger UI. "Try it out" calls the origin of this page, whatever its host name is.
const page = document.getElementById("docs");
const root = new URL(page.dataset.root, location.href).href.replace(/\/$/, "");

fetch(page.dataset.document)
  .then((response) => response.json())
  .then((document_) =>
    SwaggerUIBundle({
      domNode: page,
      spec: { ...document_, servers: [{ url: root }] },
      deepLinking: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
      validatorUrl: null, // send nothing to the online validator
    }),
  )
  .catch(() => {
    page.textContent = "The OpenAPI document could not be loaded. Reload the page.";
  });
