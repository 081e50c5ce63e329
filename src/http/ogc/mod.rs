//! `/ogc`: the nodes and where they have been, as OGC API - Features (Part 1: Core, 1.0) has it, so
//! that QGIS, GDAL and others open the map as a layer.

mod collections;
mod definition;
mod items;
mod links;
mod nodes;
mod params;
mod positions;

pub(super) use self::{
    collections::{
        Collections, Conformance, Described, Landing, all as collections, conformance, landing,
        one as collection,
    },
    definition::{OPENAPI, parameters, serve as definition},
    items::{NodeFeature, NodesPage, PositionFeature, PositionsPage, one as item, page as items},
    params::DEFAULT_LIMIT,
};
