//! Scenes as GLB 2.0, for any viewer of glTF.
//!
//! Source: glTF 2.0 specification (Khronos). Its axes are x right, y up, z towards the viewer: (x, y, z) of a scene is (x, z, −y) there. Vertex colours are
//! linear there, and ours are as in pictures: they are converted, in 16 bits so that dark colours stay apart. Normals are not written, or
//! viewers would light a second time what the photograph has lit.

use std::collections::BTreeMap;
use std::io::Write;

use glam::DVec3;
use gltf_json::accessor::{ComponentType, GenericComponentType, Type};
use gltf_json::buffer::{Buffer, Target, View};
use gltf_json::material::{Material, PbrBaseColorFactor, PbrMetallicRoughness, StrengthFactor};
use gltf_json::mesh::{Mesh, Mode, Primitive, Semantic};
use gltf_json::validation::Checked::Valid;
use gltf_json::{Accessor, Asset, Index, Node, Root};

use super::cannot_write;
use crate::{ColouredCloud, Result, Scene, SceneError};

/// A box to draw as lines.
#[derive(Clone, Debug, PartialEq)]
pub struct GlbBox {
    /// Name of the node.
    pub name: String,
    /// In the scene frame, metres: the lower four first, counter-clockwise ([`plumb_geometry::GravityBox::corners`]).
    pub corners: [DVec3; 8],
}

/// The boxes of a scene's objects, each named with its caption, else with its colour and name.
#[must_use]
pub fn scene_boxes(scene: &Scene) -> Vec<GlbBox> {
    let name = |object: &crate::Object| match (&object.attributes.caption, &object.attributes.colour) {
        (Some(caption), _) => caption.clone(),
        (None, Some(colour)) => format!("{colour} {}", object.name),
        (None, None) => object.name.clone(),
    };
    scene
        .objects
        .iter()
        .map(|object| GlbBox { name: name(object), corners: object.oriented.corners() })
        .collect()
}

/// The twelve edges of a box as pairs of corners.
const EDGES: [u16; 24] = [0, 1, 1, 2, 2, 3, 3, 0, 4, 5, 5, 6, 6, 7, 7, 4, 0, 4, 1, 5, 2, 6, 3, 7];

fn y_up([x, y, z]: [f32; 3]) -> [f32; 3] {
    [x, z, -y]
}

/// The inverse of sRGB's transfer function (IEC 61966-2-1), to 16 bits.
fn linear() -> [u16; 256] {
    std::array::from_fn(|level| {
        let c = level as f64 / 255.0;
        let light = if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        (light * 65_535.0).round() as u16
    })
}

#[derive(Default)]
struct Builder {
    root: Root,
    bytes: Vec<u8>,
}

impl Builder {
    /// Appends data aligned to four bytes and says where they are.
    fn view(&mut self, data: impl Iterator<Item = u8>, target: Target) -> Index<View> {
        let start = self.bytes.len();
        self.bytes.extend(data);
        let length = self.bytes.len() - start;
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.root.push(View {
            buffer: Index::new(0),
            byte_length: length.into(),
            byte_offset: Some(start.into()),
            byte_stride: None,
            name: None,
            target: Some(Valid(target)),
            extensions: None,
            extras: Default::default(),
        })
    }

    fn accessor(
        &mut self,
        view: Index<View>,
        count: usize,
        component: ComponentType,
        type_: Type,
    ) -> Accessor {
        Accessor {
            buffer_view: Some(view),
            byte_offset: None,
            count: count.into(),
            component_type: Valid(GenericComponentType(component)),
            extensions: None,
            extras: Default::default(),
            type_: Valid(type_),
            min: None,
            max: None,
            name: None,
            normalized: false,
            sparse: None,
        }
    }

    /// Positions in the scene frame, with the bounds that glTF asks for.
    fn positions(&mut self, positions: impl Iterator<Item = [f32; 3]> + Clone) -> Index<Accessor> {
        let (mut low, mut high, mut count) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3], 0);
        for point in positions.clone().map(y_up) {
            count += 1;
            for axis in 0..3 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let view = self.view(positions.flat_map(y_up).flat_map(f32::to_le_bytes), Target::ArrayBuffer);
        let accessor = self.accessor(view, count, ComponentType::F32, Type::Vec3);
        self.root.push(Accessor {
            min: Some(low.to_vec().into()),
            max: Some(high.to_vec().into()),
            ..accessor
        })
    }

    fn node(&mut self, name: &str, primitive: Primitive) -> Index<Node> {
        let mesh = self.root.push(Mesh {
            extensions: None,
            extras: Default::default(),
            name: Some(name.to_owned()),
            primitives: vec![primitive],
            weights: None,
        });
        self.root.push(Node { mesh: Some(mesh), name: Some(name.to_owned()), ..Default::default() })
    }
}

fn primitive(
    attributes: BTreeMap<gltf_json::validation::Checked<Semantic>, Index<Accessor>>,
    indices: Option<Index<Accessor>>,
    material: Option<Index<Material>>,
    mode: Mode,
) -> Primitive {
    Primitive {
        attributes,
        extensions: None,
        extras: Default::default(),
        indices,
        material,
        mode: Valid(mode),
        targets: None,
    }
}

/// Writes the cloud as points (node "points") and each box as lines.
///
/// # Errors
/// [`SceneError::Unusable`] if there is nothing to write, a coordinate is not finite, the cloud's columns differ in length, or 4 GiB do not suffice;
/// [`SceneError::Io`] if `out` fails.
pub fn write_glb(mut out: impl Write, cloud: &ColouredCloud, boxes: &[GlbBox]) -> Result<()> {
    let wrong = |detail: String| SceneError::Unusable { what: "GLB".to_owned(), detail };
    cloud.check()?;
    if cloud.is_empty() && boxes.is_empty() {
        return Err(wrong("neither points nor boxes to write".to_owned()));
    }
    let corners = |corners: &[DVec3; 8]| corners.map(|corner| corner.as_vec3().to_array());
    if let Some(bad) = boxes.iter().find(|b| corners(&b.corners).iter().flatten().any(|x| !x.is_finite())) {
        return Err(wrong(format!("the box of '{}' is not finite", bad.name)));
    }
    // 12 bytes of position and 8 of colour a point; 96 a box, and as much again of text.
    if cloud.len() as u64 * 20 + boxes.len() as u64 * 1000 > u64::from(u32::MAX) {
        return Err(wrong(format!("{} points and {} boxes do not fit into 4 GiB", cloud.len(), boxes.len())));
    }

    let mut builder = Builder::default();
    builder.root.asset = Asset { generator: Some("Plumbline".to_owned()), ..Default::default() };
    let mut nodes = Vec::new();
    if !cloud.is_empty() {
        let positions = builder.positions(cloud.positions.iter().copied());
        let table = linear();
        let colours = cloud.colours.iter().flat_map(|colour| {
            let [r, g, b] = colour.map(|level| table[usize::from(level)]);
            [r, g, b, u16::MAX].into_iter().flat_map(u16::to_le_bytes)
        });
        let view = builder.view(colours, Target::ArrayBuffer);
        let colours = builder.accessor(view, cloud.len(), ComponentType::U16, Type::Vec4);
        let colours = builder.root.push(Accessor { normalized: true, ..colours });
        let attributes =
            BTreeMap::from([(Valid(Semantic::Positions), positions), (Valid(Semantic::Colors(0)), colours)]);
        nodes.push(builder.node("points", primitive(attributes, None, None, Mode::Points)));
    }
    if !boxes.is_empty() {
        let view = builder.view(EDGES.into_iter().flat_map(u16::to_le_bytes), Target::ElementArrayBuffer);
        let edges = builder.accessor(view, EDGES.len(), ComponentType::U16, Type::Scalar);
        let edges = builder.root.push(edges);
        let material = builder.root.push(Material {
            name: Some("boxes".to_owned()),
            pbr_metallic_roughness: PbrMetallicRoughness {
                base_color_factor: PbrBaseColorFactor([1.0, 0.35, 0.05, 1.0]),
                metallic_factor: StrengthFactor(0.0),
                ..Default::default()
            },
            ..Default::default()
        });
        for object in boxes {
            let positions = builder.positions(corners(&object.corners).into_iter());
            let attributes = BTreeMap::from([(Valid(Semantic::Positions), positions)]);
            let lines = primitive(attributes, Some(edges), Some(material), Mode::Lines);
            nodes.push(builder.node(&object.name, lines));
        }
    }
    builder.root.buffers.push(Buffer {
        byte_length: builder.bytes.len().into(),
        name: None,
        uri: None,
        extensions: None,
        extras: Default::default(),
    });
    let scene = builder.root.push(gltf_json::Scene {
        extensions: None,
        extras: Default::default(),
        name: None,
        nodes,
    });
    builder.root.scene = Some(scene);

    let mut json = builder.root.to_vec().map_err(|error| wrong(error.to_string()))?;
    json.resize(json.len().next_multiple_of(4), b' ');
    let total = 12 + 8 + json.len() + 8 + builder.bytes.len();
    let length =
        |bytes: usize| u32::try_from(bytes).map_err(|_| wrong(format!("{bytes} bytes, more than 4 GiB")));
    let mut head = Vec::with_capacity(20);
    head.extend(b"glTF");
    for word in [2, length(total)?, length(json.len())?] {
        head.extend(word.to_le_bytes());
    }
    head.extend(b"JSON");
    let mut chunk = length(builder.bytes.len())?.to_le_bytes().to_vec();
    chunk.extend(b"BIN\0");
    for part in [&head, &json, &chunk, &builder.bytes] {
        out.write_all(part).map_err(cannot_write("GLB"))?;
    }
    out.flush().map_err(cannot_write("GLB"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_geometry::GravityBox;

    fn example() -> (ColouredCloud, Vec<GlbBox>) {
        let cloud = ColouredCloud {
            positions: (0..1001u16)
                .map(|at| [f32::from(at) * 0.01, 2.0 + f32::from(at % 10), f32::from(at % 7) * 0.5])
                .collect(),
            colours: (0..1001u16).map(|at| [(at % 256) as u8, 128, 255]).collect(),
            ..Default::default()
        };
        let oriented = GravityBox { centre: [1.0, 3.0, 0.5], size: [0.4, 0.6, 1.0], yaw: 0.3 };
        let boxes = ["red chair", "Tisch \"groß\""]
            .map(|name| GlbBox { name: name.to_owned(), corners: oriented.corners() })
            .to_vec();
        (cloud, boxes)
    }

    #[test]
    fn the_gltf_crate_reads_what_was_written() {
        let (cloud, boxes) = example();
        let mut file = Vec::new();
        write_glb(&mut file, &cloud, &boxes).unwrap();
        if let Ok(path) = std::env::var("PLUMBLINE_GLB_OUT") {
            std::fs::write(path, &file).unwrap();
        }
        let gltf::Gltf { document, blob } = gltf::Gltf::from_slice(&file).unwrap();
        let blob = blob.unwrap();
        let names: Vec<_> =
            document.default_scene().unwrap().nodes().map(|n| n.name().unwrap().to_owned()).collect();
        assert_eq!(names, ["points", "red chair", "Tisch \"groß\""]);
        let primitives: Vec<_> =
            document.meshes().flat_map(|mesh| mesh.primitives().collect::<Vec<_>>()).collect();
        assert_eq!(primitives[0].mode(), gltf::mesh::Mode::Points);
        assert_eq!(primitives[1].mode(), gltf::mesh::Mode::Lines);
        let bounds = primitives[0].bounding_box();
        // y is up: heights 0 to 3; the depth of 2 to 11 m is behind the viewer's plane.
        assert_eq!((bounds.min, bounds.max), ([0.0, 0.0, -11.0], [10.0, 3.0, -2.0]));
        let position = primitives[0].get(&gltf::Semantic::Positions).unwrap();
        let colour = primitives[0].get(&gltf::Semantic::Colors(0)).unwrap();
        assert_eq!((position.count(), colour.count(), colour.normalized()), (1001, 1001, true));
        let at = |accessor: &gltf::Accessor<'_>, index: usize| {
            let view = accessor.view().unwrap();
            view.offset() + accessor.offset() + index * view.stride().unwrap_or(accessor.size())
        };
        let start = at(&position, 123);
        let read: Vec<f32> =
            blob[start..start + 12].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(read, y_up(cloud.positions[123]));
        let start = at(&colour, 123);
        let green = u16::from_le_bytes(blob[start + 2..start + 4].try_into().unwrap());
        // sRGB 128 is 21.6 % of the light.
        assert_eq!(green, 14_146);
        assert_eq!(primitives[1].indices().unwrap().count(), 24);
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        let (cloud, mut boxes) = example();
        let refused = |cloud: &ColouredCloud, boxes: &[GlbBox]| {
            write_glb(Vec::new(), cloud, boxes).unwrap_err().to_string()
        };
        assert!(refused(&ColouredCloud::default(), &[]).contains("neither points nor boxes"));
        boxes[1].corners[3].x = f64::INFINITY;
        assert!(refused(&cloud, &boxes).contains("box of 'Tisch"));
        let mut short = cloud.clone();
        short.colours.pop();
        assert!(refused(&short, &[]).contains("1000 colours for 1001 positions"));
        let mut nan = cloud;
        nan.positions[5][1] = f32::NAN;
        assert!(refused(&nan, &[]).contains("position 5 is not finite"));
        write_glb(Vec::new(), &ColouredCloud::default(), &example().1).unwrap();
    }
}
