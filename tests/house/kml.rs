//! The map as Google Earth asks for it.

use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio};

#[tokio::test(flavor = "multi_thread")]
async fn the_network_link_leads_to_the_nodes_in_view() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (number, place) in [(1, (10.0, 11.5)), (2, (-17.0, 179.5))] {
        gateway.publish(Radio(number).named("]]></name><script>\"&\u{1}", "N"));
        gateway.publish(Radio(number).at(place.0, place.1));
    }
    gateway.publish(Radio(3).named("Nowhere", "NW"));
    let link = geocast.get("/kml").await;
    assert_eq!(link.headers()["content-type"], "application/vnd.google-earth.kml+xml");
    let link = link.text().await.unwrap();
    assert!(link.contains(&format!("<href>http://{}/kml/nodes</href>", geocast.address)), "{link}");
    assert!(link.contains("<viewFormat>bbox=[bboxWest],[bboxSouth],[bboxEast],[bboxNorth]<"));
    let asked =
        async |query: &str| geocast.get(&format!("/kml/nodes{query}")).await.text().await.unwrap();
    let all = asked("").await;
    assert_eq!(all.matches("<Placemark>").count(), 2, "{all}");
    let near = asked("?bbox=9,9,12,12").await;
    assert_eq!(near.matches("<Placemark>").count(), 1, "{near}");
    assert!(near.contains("<coordinates>11.5,10,0</coordinates>"), "{near}");
    assert!(!near.contains("<script>") && !near.contains('\u{1}'), "names are data: {near}");
    assert!(near.contains("<name>]]&gt;&lt;/name&gt;&lt;script&gt;&quot;&amp;"), "{near}");
    assert_eq!(asked("?bbox=175,-30,-175,0").await.matches("<Placemark>").count(), 1);
    assert_eq!(geocast.get("/kml/nodes?bbox=1,2,3").await.status(), 400);
}
